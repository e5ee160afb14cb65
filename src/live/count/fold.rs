//! The counting loop: passes each block of the index, with the mask of the selected users, to an aggregate.
//!
//! The loop is compiled once per instruction set, and the version is chosen at run time. Only code inlined into it
//! benefits, hence the `inline(always)` attributes on everything it calls.

use super::index::{BLOCK_WORDS, Block, Index};

/// A result accumulated over the selected users.
pub trait Aggregate {
    /// Adds block number `n`. `mask` has a bit set for each selected user of the block.
    fn add(&mut self, n: usize, block: &Block, mask: &[u64]);
}

/// The users to count, block by block.
pub trait Mask {
    /// Writes the users of block number `n` to `mask`, as a set bit each. Returns false if there are none, and the
    /// block is skipped.
    fn fill(&self, n: usize, block: &Block, mask: &mut [u64]) -> bool;
}

/// Two aggregates computed in one pass.
impl<A: Aggregate, B: Aggregate> Aggregate for (A, B) {
    #[inline(always)]
    fn add(&mut self, n: usize, block: &Block, mask: &[u64]) {
        self.0.add(n, block, mask);
        self.1.add(n, block, mask);
    }
}

/// Runs `aggregate` over the users of `selection`.
#[multiversion::multiversion(targets(
    // The first target that the processor supports is used, so the widest one comes first.
    "x86_64+avx512f+avx512bw+avx512dq+avx512vl+avx512vpopcntdq+bmi1+bmi2+lzcnt+popcnt",
    "x86_64+avx2+bmi1+bmi2+lzcnt+popcnt"
))]
pub fn fold<M: Mask, A: Aggregate>(index: &Index, selection: &M, aggregate: &mut A) {
    for (n, block) in index.blocks().iter().enumerate() {
        // 1 KiB on the stack, so that counting allocates nothing.
        let mut mask = [0; BLOCK_WORDS];
        let mask = &mut mask[..block.words()];
        if selection.fill(n, block, mask) {
            aggregate.add(n, block, mask);
        }
    }
}

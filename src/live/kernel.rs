//! The counting loop: passes each block of the index, with the mask of the selected users, to an aggregate.
//!
//! The loop is compiled once per instruction set, and the version is chosen at run time. Only code inlined into it
//! benefits, hence the `inline(always)` attributes on everything it calls.

use super::index::{BLOCK_WORDS, Block, Index};
use super::selection::Selection;

/// A result accumulated over the selected users.
pub trait Aggregate {
    /// Adds block number `n`. `mask` has a bit set for each selected user of the block.
    fn add(&mut self, n: usize, block: &Block, mask: &[u64]);
}

/// Two aggregates computed in one pass.
impl<A: Aggregate, B: Aggregate> Aggregate for (A, B) {
    #[inline(always)]
    fn add(&mut self, n: usize, block: &Block, mask: &[u64]) {
        self.0.add(n, block, mask);
        self.1.add(n, block, mask);
    }
}

/// Runs `aggregate` over the users that `selection` selects.
#[multiversion::multiversion(targets(
    "x86_64+avx512f+avx512bw+avx512dq+avx512vl+avx512vpopcntdq+bmi1+bmi2+lzcnt+popcnt",
    "x86_64+avx2+bmi1+bmi2+lzcnt+popcnt"
))]
pub fn fold<A: Aggregate>(index: &Index, selection: &Selection<'_>, aggregate: &mut A) {
    for (n, block) in index.blocks().iter().enumerate() {
        let mut mask = [0; BLOCK_WORDS];
        let mask = &mut mask[..block.words()];
        if selection.fill(n, block, mask) {
            aggregate.add(n, block, mask);
        }
    }
}

/// Clears the bits of `mask` that are not set in `plane`.
#[inline(always)]
pub fn keep(mask: &mut [u64], plane: &[u64]) {
    for (m, p) in mask.iter_mut().zip(plane) {
        *m &= p;
    }
}

/// Clears the bits of `mask` that are set in `plane`.
#[inline(always)]
pub fn drop(mask: &mut [u64], plane: &[u64]) {
    for (m, p) in mask.iter_mut().zip(plane) {
        *m &= !p;
    }
}

/// Sets the bits of `into` that are set in `plane`.
#[inline(always)]
pub fn join(into: &mut [u64], plane: &[u64]) {
    for (i, p) in into.iter_mut().zip(plane) {
        *i |= p;
    }
}

/// The number of users in `mask`.
#[inline(always)]
pub fn count(mask: &[u64]) -> u64 {
    mask.iter().map(|word| u64::from(word.count_ones())).sum()
}

/// The number of users in both `mask` and `plane`.
#[inline(always)]
pub fn count_both(mask: &[u64], plane: &[u64]) -> u64 {
    mask.iter().zip(plane).map(|(m, p)| u64::from((m & p).count_ones())).sum()
}

/// The sum of a bit-sliced number over the users in `mask`. `digits` are its planes, the lowest digit first.
#[inline(always)]
pub fn sum<'a>(mask: &[u64], digits: impl Iterator<Item = &'a [u64]>) -> u64 {
    let mut total = 0;
    for (digit, plane) in digits.enumerate() {
        total += count_both(mask, plane) << digit;
    }
    total
}

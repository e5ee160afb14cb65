//! The counting loop: blocks of bits, masked by a selection and handed to an aggregate.
//!
//! The loop is compiled once per instruction set and chosen when the process runs; everything it calls must be inlined
//! into it to profit, hence the attributes.

use super::index::{BLOCK_WORDS, Block, Index};
use super::selection::Selection;

/// Something counted over the selected users.
pub trait Aggregate {
    /// Takes in block number `n`; `mask` has a bit for each selected user.
    fn add(&mut self, n: usize, block: &Block, mask: &[u64]);
}

/// Two things counted in one pass.
impl<A: Aggregate, B: Aggregate> Aggregate for (A, B) {
    #[inline(always)]
    fn add(&mut self, n: usize, block: &Block, mask: &[u64]) {
        self.0.add(n, block, mask);
        self.1.add(n, block, mask);
    }
}

/// Counts `aggregate` over the users that `selection` names.
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

/// Keeps in `mask` what is also in `plane`.
#[inline(always)]
pub fn keep(mask: &mut [u64], plane: &[u64]) {
    for (m, p) in mask.iter_mut().zip(plane) {
        *m &= p;
    }
}

/// Keeps in `mask` what is not in `plane`.
#[inline(always)]
pub fn drop(mask: &mut [u64], plane: &[u64]) {
    for (m, p) in mask.iter_mut().zip(plane) {
        *m &= !p;
    }
}

/// Adds `plane` to `into`.
#[inline(always)]
pub fn join(into: &mut [u64], plane: &[u64]) {
    for (i, p) in into.iter_mut().zip(plane) {
        *i |= p;
    }
}

/// How many users are in `mask`.
#[inline(always)]
pub fn count(mask: &[u64]) -> u64 {
    mask.iter().map(|word| u64::from(word.count_ones())).sum()
}

/// How many users are in both.
#[inline(always)]
pub fn count_both(mask: &[u64], plane: &[u64]) -> u64 {
    mask.iter().zip(plane).map(|(m, p)| u64::from((m & p).count_ones())).sum()
}

/// The sum of a number over the users in `mask`, from its binary digits.
#[inline(always)]
pub fn sum<'a>(mask: &[u64], digits: impl Iterator<Item = &'a [u64]>) -> u64 {
    let mut total = 0;
    for (digit, plane) in digits.enumerate() {
        total += count_both(mask, plane) << digit;
    }
    total
}

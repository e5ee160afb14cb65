//! The counting loops: they pass the users of the index, with the mask of the selected ones, to an aggregate.
//!
//! The loops are compiled once per instruction set, and the version is chosen at run time. Only code inlined into them
//! benefits, hence the `inline(always)` attributes on everything they call.

use super::index::{BLOCK_SEGMENTS, BLOCK_WORDS, Index, SEGMENT_WORDS, Span};

/// A result accumulated over the selected users.
pub trait Aggregate {
    /// Adds the users of a span. `mask` has a bit set for each that is selected.
    fn add(&mut self, span: &Span<'_>, mask: &[u64]);
}

/// The users to count, span by span.
pub trait Mask {
    /// Writes the users of a span to `mask`, as a set bit each. Returns false if there are none, and the span is
    /// skipped.
    fn fill(&self, span: &Span<'_>, mask: &mut [u64]) -> bool;
}

/// An aggregate that consists of sums over users: the result for all users is the sum of the results for any parts.
pub trait Sums: Aggregate + Clone + Send + Sync + 'static {
    /// Tells apart the aggregates of one type that count differently; below 16, and of a pair below 256. A pair is
    /// therefore no member of a pair.
    fn parameter(&self) -> u8 {
        0
    }

    /// Calls `each` with every sum, always in the same order.
    fn sums(&mut self, each: impl FnMut(&mut u64));

    /// Returns the sums in that order.
    fn into_sums(mut self) -> Vec<u64> {
        let mut sums = Vec::new();
        self.sums(|sum| sums.push(*sum));
        sums
    }
}

/// Two aggregates computed in one pass.
impl<A: Aggregate, B: Aggregate> Aggregate for (A, B) {
    #[inline(always)]
    fn add(&mut self, span: &Span<'_>, mask: &[u64]) {
        self.0.add(span, mask);
        self.1.add(span, mask);
    }
}

impl<A: Sums, B: Sums> Sums for (A, B) {
    fn parameter(&self) -> u8 {
        self.0.parameter() * 16 + self.1.parameter()
    }

    #[inline(always)]
    fn sums(&mut self, mut each: impl FnMut(&mut u64)) {
        self.0.sums(&mut each);
        self.1.sums(each);
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
        let (span, mask) = (Span::of(n, block), &mut mask[..block.words()]);
        if selection.fill(&span, mask) {
            aggregate.add(&span, mask);
        }
    }
}

/// Runs `zero` over the selected users of every segment that changed after `generation`, `None` for all segments, and
/// writes its sums to `parts`: those of one sum after those of another, each in the order of the segments. Returns false
/// if a sum does not fit.
#[multiversion::multiversion(targets(
    "x86_64+avx512f+avx512bw+avx512dq+avx512vl+avx512vpopcntdq+bmi1+bmi2+lzcnt+popcnt",
    "x86_64+avx2+bmi1+bmi2+lzcnt+popcnt"
))]
pub fn fold_changed<M: Mask, A: Sums>(
    index: &Index,
    generation: Option<u64>,
    selection: &M,
    zero: &A,
    parts: &mut [u32],
) -> bool {
    let (segments, mut fits) = (index.segments(), true);
    for (n, block) in index.blocks().iter().enumerate() {
        for segment in block.changed_after(generation) {
            let span = Span::segment(n, block, segment);
            let mut mask = [0; SEGMENT_WORDS];
            let mask = &mut mask[..span.words()];
            let mut counted = zero.clone();
            if selection.fill(&span, mask) {
                counted.add(&span, mask);
            }
            let mut at = n * BLOCK_SEGMENTS + segment;
            counted.sums(|sum| {
                fits &= u32::try_from(*sum).is_ok();
                parts[at] = *sum as u32;
                at += segments;
            });
        }
    }
    fits
}

/// Returns `zero` with the sums of the parts that [`fold_changed`] wrote.
#[multiversion::multiversion(targets(
    "x86_64+avx512f+avx512bw+avx512dq+avx512vl+avx512vpopcntdq+bmi1+bmi2+lzcnt+popcnt",
    "x86_64+avx2+bmi1+bmi2+lzcnt+popcnt"
))]
pub fn total<A: Sums>(zero: &A, segments: usize, parts: &[u32]) -> A {
    let (mut total, mut sums) = (zero.clone(), parts.chunks_exact(segments.max(1)));
    total.sums(|sum| *sum = sums.next().unwrap_or_default().iter().map(|part| u64::from(*part)).sum());
    total
}

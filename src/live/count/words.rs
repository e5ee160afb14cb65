//! Operations on masks and planes: words of one bit per user, of the same length.

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

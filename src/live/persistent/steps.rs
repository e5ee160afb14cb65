//! Counts operations on kept things in unit tests, so that the cost of an apply can be compared between sizes.

use std::cell::Cell;

thread_local!(static STEPS: Cell<u64> = const { Cell::new(0) });

/// Adds to the count of this thread; does nothing outside unit tests.
pub fn count(steps: usize) {
    if cfg!(test) {
        STEPS.with(|all| all.set(all.get() + steps as u64));
    }
}

/// Returns the count of this thread and starts again at 0.
#[cfg_attr(not(test), expect(dead_code, reason = "unit tests read the count"))]
pub fn take() -> u64 {
    STEPS.with(Cell::take)
}

//! Counts operations on the state's containers in unit tests, to compare the cost of an apply at different sizes.

use std::cell::Cell;

thread_local!(static STEPS: Cell<u64> = const { Cell::new(0) });

/// Adds to this thread's count. Does nothing outside unit tests.
pub fn count(steps: usize) {
    if cfg!(test) {
        STEPS.with(|all| all.set(all.get() + steps as u64));
    }
}

/// Returns this thread's count and resets it to 0.
#[cfg_attr(not(test), expect(dead_code, reason = "unit tests read the count"))]
pub fn take() -> u64 {
    STEPS.with(Cell::take)
}

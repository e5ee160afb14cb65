//! Whether the store answers, and since when the state is known to be current.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use crate::clock::Clock;

/// Shared by the engine, which knows, and everybody who must act on it.
#[derive(Debug)]
pub struct Health {
    clock: Clock,
    /// Milliseconds of monotonic time at which the journal last answered.
    confirmed: AtomicU64,
    away: AtomicBool,
    running: AtomicBool,
}

impl Health {
    pub(super) fn new(clock: Clock) -> Self {
        let confirmed = AtomicU64::new(millis(clock.monotonic()));
        Health { clock, confirmed, away: AtomicBool::new(false), running: AtomicBool::new(false) }
    }

    /// The journal answered just now.
    pub(super) fn confirm(&self) {
        self.confirmed.store(millis(self.clock.monotonic()), Ordering::Release);
        self.away.store(false, Ordering::Release);
    }

    /// The journal does not answer; writes are refused until it does.
    pub(super) fn lose(&self) {
        self.away.store(true, Ordering::Release);
    }

    pub(super) fn set_running(&self, running: bool) {
        self.running.store(running, Ordering::Release);
    }

    /// Whether writes are pointless now.
    pub fn is_away(&self) -> bool {
        self.away.load(Ordering::Acquire)
    }

    /// For how long the journal has not confirmed that this is its newest state, in milliseconds.
    pub fn staleness_ms(&self) -> u64 {
        millis(self.clock.monotonic()).saturating_sub(self.confirmed.load(Ordering::Acquire))
    }

    /// Caught up, and confirmed within the last two seconds.
    pub fn is_ready(&self) -> bool {
        self.running.load(Ordering::Acquire) && self.staleness_ms() < 2_000
    }
}

fn millis(duration: Duration) -> u64 {
    duration.as_millis() as u64
}

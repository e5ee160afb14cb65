//! Whether the store answers, and since when the state is known to be current.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::watch;

use crate::clock::Clock;

/// Set by the engine, read by everything that depends on it.
#[derive(Debug)]
pub struct Health {
    clock: Clock,
    /// Milliseconds of monotonic time at which the journal last answered.
    confirmed: AtomicU64,
    away: watch::Sender<bool>,
    running: AtomicBool,
}

impl Health {
    pub(super) fn new(clock: Clock) -> Self {
        let confirmed = AtomicU64::new(millis(clock.monotonic()));
        Health { clock, confirmed, away: watch::Sender::new(false), running: AtomicBool::new(false) }
    }

    /// Notes that the journal answered just now.
    pub(super) fn confirm(&self) {
        self.confirmed.store(millis(self.clock.monotonic()), Ordering::Release);
        if self.is_away() {
            self.away.send_replace(false);
        }
    }

    /// Notes that the journal does not answer: writes are refused until it does.
    pub(super) fn lose(&self) {
        self.away.send_replace(true);
    }

    pub(super) fn set_running(&self, running: bool) {
        self.running.store(running, Ordering::Release);
    }

    /// Whether writes are refused now.
    pub fn is_away(&self) -> bool {
        *self.away.borrow()
    }

    /// Returns once writes are refused.
    pub(super) async fn until_away(&self) {
        let mut away = self.away.subscribe();
        // The sender is this struct's own, so waiting cannot fail.
        let _away = away.wait_for(|away| *away).await;
    }

    /// For how long the journal has not confirmed that this is its newest state, in milliseconds.
    pub fn staleness_ms(&self) -> u64 {
        millis(self.clock.monotonic()).saturating_sub(self.confirmed.load(Ordering::Acquire))
    }

    /// Whether the service caught up and was confirmed within the last two seconds.
    pub fn is_ready(&self) -> bool {
        self.running.load(Ordering::Acquire) && self.staleness_ms() < 2_000
    }
}

fn millis(duration: Duration) -> u64 {
    duration.as_millis() as u64
}

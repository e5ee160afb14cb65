//! The engine's health: reachability of the store, and the time since the state was last confirmed to be current.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::watch;

use crate::clock::Clock;

/// Written by the engine; read by the submitter and, through [`Reader`](super::Reader), by request handlers.
#[derive(Debug)]
pub struct Health {
    clock: Clock,
    /// Milliseconds of monotonic time at which the journal last answered.
    confirmed: AtomicU64,
    /// True while the journal does not answer and writes are rejected.
    away: watch::Sender<bool>,
    /// True from the engine's first turn until it ends.
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
        // Only on a change, since sending wakes every waiter.
        if self.is_away() {
            self.away.send_replace(false);
        }
    }

    /// Notes that the journal does not answer: writes are rejected until it does.
    pub(super) fn lose(&self) {
        self.away.send_replace(true);
    }

    pub(super) fn set_running(&self, running: bool) {
        self.running.store(running, Ordering::Release);
    }

    /// Returns true while the journal does not answer and writes are rejected.
    pub fn is_away(&self) -> bool {
        *self.away.borrow()
    }

    /// Returns once writes are rejected; at once if they already are.
    pub(super) async fn until_away(&self) {
        let mut away = self.away.subscribe();
        // The sender is this struct's own, so waiting cannot fail.
        let _away = away.wait_for(|away| *away).await;
    }

    /// Returns the milliseconds since the journal last confirmed that this is its newest state.
    pub fn staleness_ms(&self) -> u64 {
        // Saturating: the engine may confirm between the two readings.
        millis(self.clock.monotonic()).saturating_sub(self.confirmed.load(Ordering::Acquire))
    }

    /// Returns true if the engine runs and the journal confirmed its state within the last two seconds.
    pub fn is_ready(&self) -> bool {
        // Four times the interval at which an idle engine confirms: a single slow answer is no outage.
        self.running.load(Ordering::Acquire) && self.staleness_ms() < 2_000
    }
}

fn millis(duration: Duration) -> u64 {
    // 64 bits of milliseconds last for millions of years.
    duration.as_millis() as u64
}

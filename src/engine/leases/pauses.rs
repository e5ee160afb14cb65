//! Pauses of the process: stretches in which it was suspended, stopped, or got no processor time.
//!
//! No heartbeat can be received in a pause, so its length must not count as the desks' silence. A task that wakes ten
//! times a second detects a pause by its own delay, since a pause stops all tasks of the process.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use super::LeaseTable;
use crate::clock::Clock;

/// The interval at which the process is checked.
const CHECK_INTERVAL: Duration = Duration::from_millis(100);
/// A delay of a check beyond this is a pause. Shorter delays fit into the second that a silent desk may outlive its
/// lease.
pub const PAUSE_THRESHOLD: Duration = Duration::from_millis(500);
/// The newest pauses that are kept, to convert times from before them.
const MAX_PAUSES: usize = 1_000;

/// One pause, in monotonic time, and the sum of all pauses before it.
#[derive(Clone, Copy, Debug)]
struct Pause {
    from: Duration,
    to: Duration,
    before: Duration,
}

/// The newest pauses of the process.
#[derive(Debug)]
pub struct Pauses {
    known: ArcSwap<Vec<Pause>>,
    /// Monotonic time of the newest check.
    seen: Mutex<Duration>,
    /// True for a manual clock: its jumps are not pauses.
    is_manual: bool,
}

impl Pauses {
    pub(super) fn new(clock: &Clock) -> Self {
        let (known, seen) = (ArcSwap::default(), Mutex::new(clock.monotonic()));
        Pauses { known, seen, is_manual: clock.is_manual() }
    }

    /// Notes that the process runs at `now`. Returns the length of the pause that ended just now; zero if none did.
    pub(super) fn note(&self, now: Duration) -> Duration {
        let mut seen = self.seen.lock();
        // When the check was due: the usual interval is no part of a pause.
        let from = *seen + CHECK_INTERVAL;
        let is_pause = now > from + PAUSE_THRESHOLD && !self.is_manual;
        if is_pause {
            tracing::warn!(seconds = (now - from).as_secs_f64(), "the process was paused; leases do not count it");
            self.add(from, now);
        }
        // The engine and the watcher both call this: the older of two readings may come last.
        *seen = now.max(*seen);
        if is_pause { now - from } else { Duration::ZERO }
    }

    /// Adds a pause, which must be newer than all others.
    pub(super) fn add(&self, from: Duration, to: Duration) {
        // Copied, so that readers take no lock. The caller's lock on `seen` makes this the only writer.
        let mut known = Vec::clone(&self.known.load());
        let before = known.last().map_or(Duration::ZERO, |last| last.before + (last.to - last.from));
        known.push(Pause { from, to, before });
        if known.len() > MAX_PAUSES {
            // Each pause holds the sum of those before it, so that times after the dropped one are still converted
            // exactly.
            known.remove(0);
        }
        self.known.store(Arc::new(known));
    }

    /// Converts monotonic time to lease time, which stands still in pauses.
    pub(super) fn lease_time(&self, monotonic: Duration) -> Duration {
        let known = self.known.load();
        let begun = known.partition_point(|pause| pause.from <= monotonic);
        let Some(last) = begun.checked_sub(1).and_then(|at| known.get(at)) else { return monotonic };
        // Inside the pause its elapsed part is subtracted, so that lease time stands still at its start.
        monotonic - last.before - (monotonic.min(last.to) - last.from)
    }

    /// Returns the monotonic time at which lease time reaches `lease`, provided that no further pause occurs.
    pub(super) fn monotonic(&self, lease: Duration) -> Duration {
        let known = self.known.load();
        // In lease time a pause has no length: it is the point at which it began.
        let passed = |pause: &Pause| lease >= pause.from - pause.before;
        let last = known.iter().rev().find(|pause| passed(pause));
        last.map_or(lease, |last| lease + last.before + (last.to - last.from))
    }
}

/// Checks for pauses ten times a second until `stopping` is cancelled, which must not be before the engine ends its last
/// leases: without the checks the time since the last one would look like a pause.
pub async fn watch(leases: Arc<LeaseTable>, clock: Clock, stopping: CancellationToken) -> Result<(), Infallible> {
    loop {
        tokio::select! {
            () = clock.sleep(CHECK_INTERVAL) => leases.note(),
            () = stopping.cancelled() => return Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Time;

    impl Pauses {
        /// Takes jumps of a manual clock for pauses.
        pub(in crate::engine::leases) fn count_jumps(&mut self) {
            self.is_manual = false;
        }
    }

    fn seconds(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    #[test]
    fn lease_time_stands_still_in_pauses() {
        let pauses = Pauses::new(&Clock::manual(Time::from_micros(0)));
        pauses.add(seconds(10), seconds(18));
        pauses.add(seconds(20), seconds(21));
        let times = [(0, 0), (10, 10), (14, 10), (18, 10), (19, 11), (20, 12), (21, 12), (30, 21)];
        for (monotonic, lease) in times {
            assert_eq!(pauses.lease_time(seconds(monotonic)), seconds(lease), "{monotonic}");
        }
        for (lease, monotonic) in [(5, 5), (11, 19), (12, 21), (21, 30)] {
            assert_eq!(pauses.monotonic(seconds(lease)), seconds(monotonic), "{lease}");
        }
    }

    #[test]
    fn only_delays_beyond_the_tolerance_are_pauses() {
        let pauses = Pauses::new(&Clock::system());
        let begin = *pauses.seen.lock();
        pauses.note(begin + CHECK_INTERVAL + PAUSE_THRESHOLD);
        assert!(pauses.known.load().is_empty());
        let seen = begin + CHECK_INTERVAL + PAUSE_THRESHOLD;
        pauses.note(seen + seconds(8));
        let pause = pauses.known.load()[0];
        assert_eq!((pause.from, pause.to), (seen + CHECK_INTERVAL, seen + seconds(8)));
    }
}

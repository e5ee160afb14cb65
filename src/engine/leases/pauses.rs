//! The stretches in which the process stood still: suspended, stopped, or starved of its cores.
//!
//! In such a stretch no heartbeat can be taken, so its length is not the desks' silence. A task that wakes ten times a
//! second notices a stretch by its own delay; everything here shares its fate.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use super::LeaseTable;
use crate::clock::Clock;

/// How often the process is seen to run.
const TICK: Duration = Duration::from_millis(100);
/// A delay beyond this is a pause. Shorter ones are part of the second within which a silent desk is given up.
const TOLERANCE: Duration = Duration::from_millis(500);
/// Pauses that are remembered, for times before them that are still to be converted.
const REMEMBERED: usize = 1_000;

/// One pause, and the sum of all before it.
#[derive(Clone, Copy, Debug)]
struct Pause {
    from: Duration,
    to: Duration,
    before: Duration,
}

/// The pauses so far.
#[derive(Debug)]
pub struct Pauses {
    known: ArcSwap<Vec<Pause>>,
    /// When the process was last seen to run.
    seen: Mutex<Duration>,
    /// A clock that is driven leaps, and no leap is a pause.
    is_manual: bool,
}

impl Pauses {
    pub(super) fn new(clock: &Clock) -> Self {
        let (known, seen) = (ArcSwap::default(), Mutex::new(clock.monotonic()));
        Pauses { known, seen, is_manual: clock.is_manual() }
    }

    /// Notes that the process runs at `now`. Returns the length of the pause that ended, if one did.
    pub(super) fn note(&self, now: Duration) -> Duration {
        let mut seen = self.seen.lock();
        let from = *seen + TICK;
        let is_pause = now > from + TOLERANCE && !self.is_manual;
        if is_pause {
            tracing::warn!(seconds = (now - from).as_secs_f64(), "the process stood still; leases run on from here");
            self.add(from, now);
        }
        *seen = now.max(*seen);
        if is_pause { now - from } else { Duration::ZERO }
    }

    /// Adds a pause; the newest so far.
    pub(super) fn add(&self, from: Duration, to: Duration) {
        let mut known = Vec::clone(&self.known.load());
        let before = known.last().map_or(Duration::ZERO, |last| last.before + (last.to - last.from));
        known.push(Pause { from, to, before });
        if known.len() > REMEMBERED {
            known.remove(0);
        }
        self.known.store(Arc::new(known));
    }

    /// Monotonic time without the pauses before it.
    pub(super) fn lease_time(&self, monotonic: Duration) -> Duration {
        let known = self.known.load();
        let begun = known.partition_point(|pause| pause.from <= monotonic);
        let Some(last) = begun.checked_sub(1).and_then(|at| known.get(at)) else { return monotonic };
        monotonic - last.before - (monotonic.min(last.to) - last.from)
    }

    /// The monotonic time at which lease time reaches `lease`, if no pause follows.
    pub(super) fn monotonic(&self, lease: Duration) -> Duration {
        let known = self.known.load();
        let passed = |pause: &Pause| lease >= pause.from - pause.before;
        let last = known.iter().rev().find(|pause| passed(pause));
        last.map_or(lease, |last| lease + last.before + (last.to - last.from))
    }
}

/// Watches for pauses until `stopping` is cancelled.
pub async fn watch(leases: Arc<LeaseTable>, clock: Clock, stopping: CancellationToken) -> Result<(), Infallible> {
    loop {
        tokio::select! {
            () = clock.sleep(TICK) => leases.note(),
            () = stopping.cancelled() => return Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Time;

    fn seconds(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    #[test]
    fn lease_time_stands_still_in_a_pause() {
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
    fn a_long_delay_is_a_pause_and_a_short_one_is_not() {
        let pauses = Pauses::new(&Clock::system());
        let begin = *pauses.seen.lock();
        pauses.note(begin + TICK + TOLERANCE);
        assert!(pauses.known.load().is_empty());
        let seen = begin + TICK + TOLERANCE;
        pauses.note(seen + seconds(8));
        let pause = pauses.known.load()[0];
        assert_eq!((pause.from, pause.to), (seen + TICK, seen + seconds(8)));
    }
}

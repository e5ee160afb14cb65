//! The sources of time: the machine's clocks, or manual ones for tests.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::watch;

use super::guard::Reading;
use crate::domain::Time;

/// A set of clocks: wall clock, uptime and monotonic time.
#[derive(Debug)]
pub enum Source {
    /// The machine's clocks.
    System {
        /// The origin of monotonic time.
        start: std::time::Instant,
        /// Microseconds by which a test has moved the wall clock.
        ahead: AtomicI64,
    },
    /// Clocks driven by a test.
    Manual(Manual),
}

/// Clocks that stand still until they are moved.
#[derive(Debug)]
pub struct Manual {
    origin: Time,
    elapsed: watch::Sender<Duration>,
    apart: Mutex<Apart>,
}

/// The offsets of manual clocks from monotonic time.
#[derive(Clone, Copy, Debug, Default)]
struct Apart {
    /// The jumps of the wall clock, in microseconds.
    wall: i64,
    /// The time for which the machine was suspended, which uptime and wall clock include.
    suspended: Duration,
}

impl Source {
    /// Makes a source of the machine's clocks.
    #[expect(clippy::disallowed_methods, reason = "this is where time enters")]
    pub fn system() -> Self {
        Source::System { start: std::time::Instant::now(), ahead: AtomicI64::new(0) }
    }

    /// Works as [`Source::system`], with the wall clock `seconds` ahead.
    pub fn skewed(seconds: i64) -> Self {
        let source = Source::system();
        source.jump(seconds);
        source
    }

    /// Moves the wall clock only.
    pub fn jump(&self, seconds: i64) {
        match self {
            Source::System { ahead, .. } => drop(ahead.fetch_add(seconds * 1_000_000, Ordering::Relaxed)),
            Source::Manual(manual) => manual.apart.lock().wall += seconds * 1_000_000,
        }
    }

    /// Makes manual clocks that stand still at `origin`.
    pub fn manual(origin: Time) -> Self {
        Source::Manual(Manual { origin, elapsed: watch::Sender::new(Duration::ZERO), apart: Mutex::default() })
    }

    /// Reads uptime and wall clock.
    #[expect(clippy::disallowed_methods, reason = "this is where time enters")]
    pub fn read(&self) -> Reading {
        match self {
            Source::System { start, ahead } => {
                let wall = Time::from(jiff::Timestamp::now()).micros() + ahead.load(Ordering::Relaxed);
                Reading { uptime: uptime(*start), wall: Time::from_micros(wall) }
            }
            Source::Manual(Manual { origin, elapsed, apart }) => {
                let (elapsed, Apart { wall, suspended }) = (*elapsed.borrow(), *apart.lock());
                let uptime = elapsed + suspended;
                let wall = origin.micros() + uptime.as_micros() as i64 + wall;
                Reading { uptime, wall: Time::from_micros(wall) }
            }
        }
    }

    /// Returns the time since this was made; suspended time does not count.
    pub fn monotonic(&self) -> Duration {
        match self {
            Source::System { start, .. } => start.elapsed(),
            Source::Manual(Manual { elapsed, .. }) => *elapsed.borrow(),
        }
    }

    /// Returns once [`Source::monotonic`] has reached `deadline`.
    pub async fn sleep_until(&self, deadline: Duration) {
        match self {
            Source::System { start, .. } => tokio::time::sleep_until((*start + deadline).into()).await,
            Source::Manual(Manual { elapsed, .. }) => {
                let mut changes = elapsed.subscribe();
                // The sender lives as long as this source, so waiting cannot fail.
                let _reached = changes.wait_for(|now| *now >= deadline).await;
            }
        }
    }
}

impl Manual {
    /// Moves all clocks on.
    pub fn advance(&self, by: Duration) {
        self.elapsed.send_modify(|now| *now += by);
    }

    /// Moves uptime and wall clock on, as they do while a machine is suspended.
    pub fn suspend(&self, by: Duration) {
        self.apart.lock().suspended += by;
    }
}

/// Returns the time since the machine started, suspended time included.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn uptime(_start: std::time::Instant) -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    Duration::new(now.tv_sec.unsigned_abs(), now.tv_nsec.unsigned_abs() as u32)
}

/// Returns the time since `start`. No clock of these platforms counts suspended time, so the wall clock seems to jump
/// when a suspended machine wakes.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn uptime(start: std::time::Instant) -> Duration {
    start.elapsed()
}

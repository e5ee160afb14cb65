//! The drain before a stop: the service is not ready any more, so that load balancers send their clients elsewhere, while
//! it goes on to answer; connections that last are closed one after the other.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::clock::Clock;

/// The time since the newest request for the readiness for which a load balancer is taken to look at it.
const PROBE_PERIOD: Duration = Duration::from_secs(60);
/// The part of the drain after which connections are closed. A client that is closed before would be sent here again:
/// balancers notice within this part that the service is not ready.
const NOTICE: f64 = 0.3;

/// The drain of a service, and the requests for its readiness. Clones share it.
#[derive(Clone, Debug)]
pub struct Drain(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    clock: Clock,
    stopping: CancellationToken,
    /// Cancelled when the drain begins, and when the service stops without one.
    begun: CancellationToken,
    /// Monotonic times of the beginning and the end; empty if the service stops without a drain.
    period: OnceLock<(Duration, Duration)>,
    /// Milliseconds of monotonic time of the newest request for the readiness, 1 at least; 0 before the first.
    probed: AtomicU64,
}

impl Drain {
    /// Of a service that stops when `stopping` is cancelled.
    pub fn new(clock: Clock, stopping: CancellationToken) -> Self {
        // A child, so that a stop ends the waiting of those that only wait for the drain.
        let begun = stopping.child_token();
        Drain(Arc::new(Inner { clock, stopping, begun, period: OnceLock::new(), probed: AtomicU64::new(0) }))
    }

    /// Begins the drain, which lasts for this time.
    pub fn begin(&self, length: Duration) {
        let now = self.0.clock.monotonic();
        // A second drain changes nothing.
        let _first = self.0.period.set((now, now + length));
        self.0.begun.cancel();
    }

    /// Returns true from the beginning of the drain or the stop on.
    pub fn has_begun(&self) -> bool {
        self.0.begun.is_cancelled()
    }

    /// Notes a request for the readiness by what may be a load balancer.
    pub fn note_probe(&self) {
        self.0.probed.store((self.0.clock.monotonic().as_millis() as u64).max(1), Ordering::Relaxed);
    }

    /// Returns true if the readiness was requested within the last minute.
    pub fn is_probed(&self) -> bool {
        let probed = self.0.probed.load(Ordering::Relaxed);
        probed > 0 && self.0.clock.monotonic() < Duration::from_millis(probed) + PROBE_PERIOD
    }

    /// Returns the departure of a connection that is opened now.
    pub fn departure(&self) -> Departure {
        // A hasher has random keys.
        let share = RandomState::new().build_hasher().finish() as f64 / u64::MAX as f64;
        Departure { drain: self.clone(), opened: self.0.clock.monotonic(), share }
    }
}

/// The end of one connection that lasts: at a moment of its own in the drain, at once when the service stops.
#[derive(Debug)]
pub struct Departure {
    drain: Drain,
    /// Monotonic time at which the connection was opened, perhaps in the drain.
    opened: Duration,
    /// The part of the time left for closing after which this connection is closed, from 0 to 1.
    share: f64,
}

impl Departure {
    /// Waits until the connection is to be closed.
    pub async fn due(&self) {
        let Inner { clock, stopping, begun, period, .. } = &*self.drain.0;
        begun.cancelled().await;
        let Some((began, ends)) = period.get() else { return };
        let first = *began + (*ends - *began).mul_f64(NOTICE);
        let first = first.max(self.opened).min(*ends);
        tokio::select! {
            () = stopping.cancelled() => {}
            () = clock.sleep_until(first + (*ends - first).mul_f64(self.share)) => {}
        }
    }

    /// The token that is cancelled when the service stops.
    pub fn stopping(&self) -> &CancellationToken {
        &self.drain.0.stopping
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Time;

    fn drain() -> (Clock, CancellationToken, Drain) {
        let (clock, stopping) = (Clock::manual(Time::from_micros(0)), CancellationToken::new());
        (clock.clone(), stopping.clone(), Drain::new(clock, stopping))
    }

    /// Returns the number of connections that are to be closed by now.
    async fn due(departures: &[Departure]) -> usize {
        let mut count = 0;
        for departure in departures {
            tokio::select! {
                biased;
                () = departure.due() => count += 1,
                () = std::future::ready(()) => {}
            }
        }
        count
    }

    #[tokio::test]
    async fn connections_are_closed_one_after_the_other_once_balancers_had_time() {
        let (clock, _stopping, drain) = drain();
        let mut departures: Vec<_> = (0..1_000).map(|_| drain.departure()).collect();
        assert_eq!((due(&departures).await, drain.has_begun()), (0, false));
        drain.begin(Duration::from_secs(10));
        assert!(drain.has_begun());
        clock.advance(Duration::from_millis(2_990));
        assert_eq!(due(&departures).await, 0);
        clock.advance(Duration::from_millis(3_510));
        let half = due(&departures).await;
        assert!((350..650).contains(&half), "{half} of 1,000 at the half");
        departures.push(drain.departure());
        assert_eq!(due(&departures[1_000..]).await, 0, "one that is opened in the drain is not closed at once");
        clock.advance(Duration::from_millis(3_500));
        assert_eq!(due(&departures).await, departures.len());
        assert_eq!(due(&[drain.departure()]).await, 1, "after the end");
    }

    #[tokio::test]
    async fn a_stop_closes_all_at_once() {
        for begins in [false, true] {
            let (_clock, stopping, drain) = drain();
            let departures: Vec<_> = (0..10).map(|_| drain.departure()).collect();
            if begins {
                drain.begin(Duration::from_secs(10));
            }
            assert_eq!(due(&departures).await, 0);
            stopping.cancel();
            assert_eq!((due(&departures).await, drain.has_begun()), (10, true));
        }
    }

    #[test]
    fn a_service_is_balanced_for_a_minute_after_a_probe() {
        let (clock, _stopping, drain) = drain();
        assert!(!drain.is_probed());
        drain.note_probe();
        clock.advance(Duration::from_secs(59));
        assert!(drain.is_probed());
        clock.advance(Duration::from_secs(2));
        assert!(!drain.is_probed());
    }
}

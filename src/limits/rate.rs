//! Rates: so many a second, with a burst after a pause, by the injected clock.

use std::hash::Hash;
use std::num::NonZeroU32;
use std::time::Duration;

use governor::middleware::NoOpMiddleware;
use governor::state::keyed::HashMapStateStore;
use governor::state::{InMemoryState, NotKeyed};
use governor::{NotUntil, Quota, RateLimiter};

use crate::clock::Clock;
use crate::domain::Fault;

/// The time, as the limits read it.
struct Monotonic(Clock);

impl governor::clock::Clock for Monotonic {
    type Instant = Duration;

    fn now(&self) -> Duration {
        self.0.monotonic()
    }
}

/// The rate of one caller.
pub struct Rate {
    clock: Clock,
    burst: u32,
    limit: RateLimiter<NotKeyed, InMemoryState, Monotonic, NoOpMiddleware<Duration>>,
}

impl Rate {
    /// A rate of `per_second`, with `burst` at once after a pause. `None` for a rate of 0, which is no limit.
    pub fn new(per_second: u32, burst: u32, clock: &Clock) -> Option<Self> {
        let (rate, most) = (NonZeroU32::new(per_second)?, NonZeroU32::new(burst)?);
        let quota = Quota::per_second(rate).allow_burst(most);
        let limit = RateLimiter::direct_with_clock(quota, Monotonic(clock.clone()));
        Some(Rate { clock: clock.clone(), burst, limit })
    }

    /// Counts one; [`Fault::TooMany`] past the rate.
    pub fn check(&self) -> Result<(), Fault> {
        self.limit.check().map_err(|until| too_many(&until, &self.clock))
    }

    /// Counts `n` as a whole, or nothing of them: [`Fault::TooMany`] past the rate. More than the burst count as the
    /// burst, so that what is large can be taken at all.
    pub fn check_many(&self, n: u32) -> Result<(), Fault> {
        let Some(n) = NonZeroU32::new(n.min(self.burst)) else { return Ok(()) };
        match self.limit.check_n(n) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(until)) => Err(too_many(&until, &self.clock)),
            Err(_never) => Err(Fault::TooMany { seconds: 1 }),
        }
    }
}

/// The rates of many callers, each by its key.
pub struct KeyedRate<K: Hash + Eq + Clone> {
    clock: Clock,
    limit: RateLimiter<K, HashMapStateStore<K>, Monotonic, NoOpMiddleware<Duration>>,
}

impl<K: Hash + Eq + Clone> KeyedRate<K> {
    /// The same quota for every key.
    pub fn new(quota: Quota, clock: &Clock) -> Self {
        KeyedRate { clock: clock.clone(), limit: RateLimiter::hashmap_with_clock(quota, Monotonic(clock.clone())) }
    }

    /// Counts one of a key; [`Fault::TooMany`] past its rate.
    pub fn check(&self, key: &K) -> Result<(), Fault> {
        self.limit.check_key(key).map_err(|until| too_many(&until, &self.clock))
    }

    /// Forgets the keys whose burst is whole again.
    pub fn sweep(&self) {
        self.limit.retain_recent();
        self.limit.shrink_to_fit();
    }

    /// How many keys are remembered.
    pub fn len(&self) -> usize {
        self.limit.len()
    }

    /// Whether no key is remembered.
    pub fn is_empty(&self) -> bool {
        self.limit.is_empty()
    }
}

fn too_many(until: &NotUntil<Duration>, clock: &Clock) -> Fault {
    let wait = until.wait_time_from(clock.monotonic());
    Fault::TooMany { seconds: (wait.as_secs_f64().ceil() as u32).max(1) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Time;

    #[test]
    fn many_are_counted_as_a_whole_or_not_at_all() {
        let clock = Clock::manual(Time::from_micros(0));
        let rate = Rate::new(10, 20, &clock).unwrap();
        assert_eq!(rate.check_many(0), Ok(()));
        assert_eq!(rate.check_many(15), Ok(()));
        assert_eq!(rate.check_many(10), Err(Fault::TooMany { seconds: 1 }));
        assert_eq!(rate.check_many(5), Ok(()), "nothing of the ten was counted");
        assert!(rate.check().is_err());
        clock.advance(Duration::from_secs(2));
        assert_eq!(rate.check_many(1_000), Ok(()), "more than the burst count as the burst");
        assert!(rate.check().is_err());
        assert!(Rate::new(0, 0, &clock).is_none());
    }
}

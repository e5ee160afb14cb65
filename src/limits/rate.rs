//! Rate limits: a number a second with a burst, by the injected clock.

use std::hash::Hash;
use std::num::NonZeroU32;
use std::time::Duration;

use governor::middleware::NoOpMiddleware;
use governor::state::keyed::HashMapStateStore;
use governor::state::{InMemoryState, NotKeyed};
use governor::{NotUntil, Quota, RateLimiter};

use crate::clock::Clock;
use crate::domain::Fault;

/// Adapts [`Clock::monotonic`] to the rate limiter.
struct Monotonic(Clock);

impl governor::clock::Clock for Monotonic {
    type Instant = Duration;

    fn now(&self) -> Duration {
        self.0.monotonic()
    }
}

/// A rate limit without keys.
pub struct Rate {
    clock: Clock,
    burst: u32,
    limit: RateLimiter<NotKeyed, InMemoryState, Monotonic, NoOpMiddleware<Duration>>,
}

impl Rate {
    /// Makes a limit of `per_second`, with `burst` at once after a pause. `None` if either is 0, which means no limit.
    pub fn new(per_second: u32, burst: u32, clock: &Clock) -> Option<Self> {
        let (rate, most) = (NonZeroU32::new(per_second)?, NonZeroU32::new(burst)?);
        let quota = Quota::per_second(rate).allow_burst(most);
        let limit = RateLimiter::direct_with_clock(quota, Monotonic(clock.clone()));
        Some(Rate { clock: clock.clone(), burst, limit })
    }

    /// Counts one. [`Fault::TooMany`] beyond the rate.
    pub fn check(&self) -> Result<(), Fault> {
        self.limit.check().map_err(|until| too_many(&until, &self.clock))
    }

    /// Counts `n`, all or none. [`Fault::TooMany`] beyond the rate. A number above the burst counts as the burst, as it
    /// could never pass otherwise.
    pub fn check_many(&self, n: u32) -> Result<(), Fault> {
        let Some(n) = NonZeroU32::new(n.min(self.burst)) else { return Ok(()) };
        match self.limit.check_n(n) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(until)) => Err(too_many(&until, &self.clock)),
            // Only for more than the burst, which was excluded above.
            Err(_never) => Err(Fault::TooMany { seconds: 1 }),
        }
    }
}

/// A rate limit for each of many keys.
pub struct KeyedRate<K: Hash + Eq + Clone> {
    clock: Clock,
    limit: RateLimiter<K, HashMapStateStore<K>, Monotonic, NoOpMiddleware<Duration>>,
}

impl<K: Hash + Eq + Clone> KeyedRate<K> {
    /// Makes a limit with the same quota for every key.
    pub fn new(quota: Quota, clock: &Clock) -> Self {
        KeyedRate { clock: clock.clone(), limit: RateLimiter::hashmap_with_clock(quota, Monotonic(clock.clone())) }
    }

    /// Counts one for a key. [`Fault::TooMany`] beyond its rate.
    pub fn check(&self, key: &K) -> Result<(), Fault> {
        self.limit.check_key(key).map_err(|until| too_many(&until, &self.clock))
    }

    /// Removes the keys with a full burst, which behave as new ones.
    pub fn sweep(&self) {
        self.limit.retain_recent();
        self.limit.shrink_to_fit();
    }

    /// Returns the number of keys held in memory.
    pub fn len(&self) -> usize {
        self.limit.len()
    }

    /// Returns true if no keys are held in memory.
    pub fn is_empty(&self) -> bool {
        self.limit.is_empty()
    }
}

/// Makes the fault with the seconds until the next one passes, rounded up, at least 1.
fn too_many(until: &NotUntil<Duration>, clock: &Clock) -> Fault {
    let wait = until.wait_time_from(clock.monotonic());
    Fault::TooMany { seconds: (wait.as_secs_f64().ceil() as u32).max(1) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Time;

    #[test]
    fn several_are_counted_all_or_none() {
        let clock = Clock::manual(Time::from_micros(0));
        let rate = Rate::new(10, 20, &clock).unwrap();
        assert_eq!(rate.check_many(0), Ok(()));
        assert_eq!(rate.check_many(15), Ok(()));
        assert_eq!(rate.check_many(10), Err(Fault::TooMany { seconds: 1 }));
        assert_eq!(rate.check_many(5), Ok(()), "none of the ten was counted");
        assert!(rate.check().is_err());
        clock.advance(Duration::from_secs(2));
        assert_eq!(rate.check_many(1_000), Ok(()), "a number above the burst counts as the burst");
        assert!(rate.check().is_err());
        assert!(Rate::new(0, 0, &clock).is_none());
    }
}

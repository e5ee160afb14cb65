//! How often somebody may ask for a token (CONTRACTS.md 2.2), or come with a credential that nobody knows. Every attempt
//! counts, whatever comes of it.

use std::fmt;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use governor::middleware::NoOpMiddleware;
use governor::state::keyed::HashMapStateStore;
use governor::state::{InMemoryState, NotKeyed};
use governor::{NotUntil, Quota, RateLimiter};
use uuid::Uuid;

use super::secret;
use crate::clock::Clock;
use crate::domain::Fault;

/// Log-ins a minute with one e-mail address, known or not.
pub const LOG_INS_A_USER: NonZeroU32 = many(10);
/// Log-ins a minute from one address of the network.
pub const LOG_INS_AN_ADDRESS: NonZeroU32 = many(100);
/// Tokens a minute for one key: each is kept until it runs out.
pub const TOKENS_A_KEY: NonZeroU32 = many(100);
/// Requests a second without a valid credential from one address of the network.
pub const STRANGERS_AN_ADDRESS: NonZeroU32 = many(100);
/// The same at once, after a pause.
pub const STRANGERS_AT_ONCE: NonZeroU32 = many(1_000);

const fn many(times: u32) -> NonZeroU32 {
    NonZeroU32::MIN.saturating_add(times - 1)
}

/// The time, as the limits read it.
struct Monotonic(Clock);

impl governor::clock::Clock for Monotonic {
    type Instant = Duration;

    fn now(&self) -> Duration {
        self.0.monotonic()
    }
}

type Limit<K> = RateLimiter<K, HashMapStateStore<K>, Monotonic, NoOpMiddleware<Duration>>;

/// Who has asked how often of late. A clone shares it.
#[derive(Clone)]
pub struct Throttle(Arc<Inner>);

struct Inner {
    clock: Clock,
    users: Limit<[u8; 32]>,
    addresses: Limit<IpAddr>,
    keys: Limit<Uuid>,
    strangers: Limit<IpAddr>,
}

/// How often one somebody asks.
pub(super) struct Rate {
    clock: Clock,
    limit: RateLimiter<NotKeyed, InMemoryState, Monotonic, NoOpMiddleware<Duration>>,
}

impl Rate {
    /// So often a second, and twice as often at once after a pause; none for 0, which is no limit.
    pub fn a_second(times: u32, clock: &Clock) -> Option<Self> {
        let (rate, burst) = (NonZeroU32::new(times)?, NonZeroU32::new(times.saturating_mul(2))?);
        let quota = Quota::per_second(rate).allow_burst(burst);
        Some(Rate { clock: clock.clone(), limit: RateLimiter::direct_with_clock(quota, Monotonic(clock.clone())) })
    }

    /// Counts one more; [`Fault::TooMany`] if there were too many.
    pub fn check(&self) -> Result<(), Fault> {
        self.limit.check().map_err(|until| too_many(&until, &self.clock))
    }
}

fn too_many(until: &NotUntil<Duration>, clock: &Clock) -> Fault {
    let wait = until.wait_time_from(clock.monotonic());
    Fault::TooMany { seconds: (wait.as_secs_f64().ceil() as u32).max(1) }
}

impl fmt::Debug for Throttle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Throttle")
    }
}

impl Throttle {
    /// Nobody has asked yet.
    pub fn new(clock: &Clock) -> Self {
        let quota = Quota::per_minute;
        let strangers = Quota::per_second(STRANGERS_AN_ADDRESS).allow_burst(STRANGERS_AT_ONCE);
        Throttle(Arc::new(Inner {
            clock: clock.clone(),
            users: RateLimiter::hashmap_with_clock(quota(LOG_INS_A_USER), Monotonic(clock.clone())),
            addresses: RateLimiter::hashmap_with_clock(quota(LOG_INS_AN_ADDRESS), Monotonic(clock.clone())),
            keys: RateLimiter::hashmap_with_clock(quota(TOKENS_A_KEY), Monotonic(clock.clone())),
            strangers: RateLimiter::hashmap_with_clock(strangers, Monotonic(clock.clone())),
        }))
    }

    /// Counts an attempt to log in; [`Fault::TooMany`] if there were too many.
    pub fn log_in(&self, from: IpAddr, email: &str) -> Result<(), Fault> {
        self.check(&self.0.addresses, &network(from))?;
        // Hashed, since a caller may write there whatever and how much they like.
        self.check(&self.0.users, &secret::hash(&email.to_lowercase()))
    }

    /// Counts a token for a key, likewise.
    pub fn token(&self, key: Uuid) -> Result<(), Fault> {
        self.check(&self.0.keys, &key)
    }

    /// Counts a request without a valid credential, likewise. Valid ones are not asked about: behind one address there
    /// may be many, whom a stranger there is not to lock out.
    pub fn stranger(&self, from: IpAddr) -> Result<(), Fault> {
        self.check(&self.0.strangers, &network(from))
    }

    /// Forgets whoever has not asked of late.
    pub fn sweep(&self) {
        let Inner { users, addresses, keys, strangers, .. } = &*self.0;
        users.retain_recent();
        users.shrink_to_fit();
        addresses.retain_recent();
        addresses.shrink_to_fit();
        keys.retain_recent();
        keys.shrink_to_fit();
        strangers.retain_recent();
        strangers.shrink_to_fit();
    }

    fn check<K: Hash + Eq + Clone>(&self, limit: &Limit<K>, key: &K) -> Result<(), Fault> {
        limit.check_key(key).map_err(|until| too_many(&until, &self.0.clock))
    }
}

/// What one somebody has: an address of the fourth version, and of the sixth a network, which has more addresses than
/// could ever be counted.
pub(super) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Time;

    fn stage() -> (Clock, Throttle, IpAddr) {
        let clock = Clock::manual(Time::from_micros(0));
        (clock.clone(), Throttle::new(&clock), IpAddr::from([192, 0, 2, 1]))
    }

    #[test]
    fn the_eleventh_log_in_of_a_user_is_one_too_many() {
        let (clock, throttle, home) = stage();
        for n in 0..10 {
            let email = if n % 2 == 0 { "Ann@example.com" } else { "ann@EXAMPLE.com" };
            assert_eq!(throttle.log_in(home, email), Ok(()), "{n}");
        }
        assert_eq!(throttle.log_in(home, "ann@example.com"), Err(Fault::TooMany { seconds: 6 }));
        assert_eq!(throttle.log_in(home, "ben@example.com"), Ok(()), "somebody else");
        clock.advance(Duration::from_secs(6));
        assert_eq!(throttle.log_in(home, "ann@example.com"), Ok(()), "when it was said");
        assert!(throttle.log_in(home, "ann@example.com").is_err());
    }

    #[test]
    fn an_address_has_a_hundred_for_all_its_users() {
        let (_, throttle, home) = stage();
        for n in 0..100 {
            assert_eq!(throttle.log_in(home, &format!("{n}")), Ok(()));
        }
        assert_eq!(throttle.log_in(home, "x"), Err(Fault::TooMany { seconds: 1 }));
        assert_eq!(throttle.log_in([192, 0, 2, 2].into(), "x"), Ok(()));
    }

    #[test]
    fn a_network_of_the_sixth_version_is_one_somebody() {
        let of = |text: &str| network(text.parse().unwrap());
        assert_eq!(of("2001:db8:1:2::1"), of("2001:db8:1:2:ffff::2"));
        assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
    }

    #[test]
    fn who_has_not_asked_of_late_is_forgotten() {
        let (clock, throttle, home) = stage();
        throttle.log_in(home, "ann").unwrap();
        clock.advance(Duration::from_secs(30));
        throttle.log_in(home, "ben").unwrap();
        throttle.token(Uuid::nil()).unwrap();
        throttle.stranger(home).unwrap();
        clock.advance(Duration::from_secs(90));
        throttle.sweep();
        let Inner { users, addresses, keys, strangers, .. } = &*throttle.0;
        assert_eq!((users.len(), addresses.len(), keys.len(), strangers.len()), (0, 0, 0, 0));
    }
}

//! Rate limits of authentication: log-ins, tokens for a key, and requests without a valid credential. Every attempt
//! counts, whether it succeeds or not.

use std::collections::HashMap;
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::Arc;

use governor::Quota;
use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::rate::KeyedRate;
use crate::clock::Clock;
use crate::domain::Fault;

/// Log-ins a minute with one e-mail address, known or not, from one IP address. They are counted by IP address, so that
/// wrong log-ins from elsewhere do not lock the user out.
pub const LOG_INS_A_USER: NonZeroU32 = many(10);
/// Log-ins a minute from one IP address.
pub const LOG_INS_AN_ADDRESS: NonZeroU32 = many(100);
/// Tokens a minute for one key. They are limited because each is stored until it expires.
pub const TOKENS_A_KEY: NonZeroU32 = many(100);
/// Requests a second without a valid credential from one IP address.
pub const UNAUTHENTICATED_AN_ADDRESS: NonZeroU32 = many(100);
/// The burst of requests without a valid credential after a pause.
pub const UNAUTHENTICATED_AT_ONCE: NonZeroU32 = many(1_000);

/// Credentials that memory does not have, and tickets, that are looked up in the store a second for one IP address.
pub const LOOK_UPS_AN_ADDRESS: NonZeroU32 = many(1_000);
/// The burst of look-ups after a pause: many desks may connect again at once from behind one address.
pub const LOOK_UPS_AT_ONCE: NonZeroU32 = many(10_000);

/// Networks and e-mail addresses whose attempts are kept for the other servers at a time. Those of further ones are counted
/// at this server alone.
const MOST_SHARED: usize = 2_000;

const fn many(times: u32) -> NonZeroU32 {
    NonZeroU32::MIN.saturating_add(times - 1)
}

/// The origin of attempts to log in that are counted together.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LogInFrom {
    /// The network; see [`network`].
    pub network: IpAddr,
    /// SHA-256 of the e-mail address in lower case; `None` for all of the network.
    pub email: Option<[u8; 32]>,
}

/// The rate limits of authentication. A clone shares them.
#[derive(Clone)]
pub struct Throttle(Arc<Inner>);

struct Inner {
    users: KeyedRate<(IpAddr, [u8; 32])>,
    addresses: KeyedRate<IpAddr>,
    keys: KeyedRate<Uuid>,
    unauthenticated: KeyedRate<IpAddr>,
    look_ups: KeyedRate<IpAddr>,
    /// The attempts that were counted here since they were last taken; `None` if there is no other server.
    shared: Option<Mutex<HashMap<LogInFrom, u32>>>,
}

impl fmt::Debug for Throttle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Throttle")
    }
}

impl Throttle {
    /// Makes the limits, with full bursts. With `is_shared`, attempts to log in are kept for [`Throttle::take_log_ins`].
    pub fn new(clock: &Clock, is_shared: bool) -> Self {
        let look_ups = Quota::per_second(LOOK_UPS_AN_ADDRESS).allow_burst(LOOK_UPS_AT_ONCE);
        let unauthenticated = Quota::per_second(UNAUTHENTICATED_AN_ADDRESS).allow_burst(UNAUTHENTICATED_AT_ONCE);
        Throttle(Arc::new(Inner {
            users: KeyedRate::new(Quota::per_minute(LOG_INS_A_USER), clock),
            addresses: KeyedRate::new(Quota::per_minute(LOG_INS_AN_ADDRESS), clock),
            keys: KeyedRate::new(Quota::per_minute(TOKENS_A_KEY), clock),
            unauthenticated: KeyedRate::new(unauthenticated, clock),
            look_ups: KeyedRate::new(look_ups, clock),
            shared: is_shared.then(Mutex::default),
        }))
    }

    /// Counts an attempt to log in. [`Fault::TooMany`] beyond the rate of the IP address, or of the e-mail address from
    /// there.
    pub fn log_in(&self, from: IpAddr, email: &str) -> Result<(), Fault> {
        let from = network(from);
        // Counted first: an attempt that is rejected here does not use up those of the e-mail address.
        self.0.addresses.check(&from)?;
        self.share(LogInFrom { network: from, email: None });
        // Hashed, so that long e-mail addresses take no memory.
        let email = Sha256::digest(email.to_lowercase()).into();
        self.0.users.check(&(from, email))?;
        self.share(LogInFrom { network: from, email: Some(email) });
        Ok(())
    }

    fn share(&self, from: LogInFrom) {
        let Some(shared) = &self.0.shared else { return };
        let mut shared = shared.lock();
        if shared.len() < MOST_SHARED || shared.contains_key(&from) {
            *shared.entry(from).or_default() += 1;
        }
    }

    /// Returns the attempts to log in that were counted here since the last call, for the other servers.
    pub fn take_log_ins(&self) -> HashMap<LogInFrom, u32> {
        self.0.shared.as_ref().map(|shared| std::mem::take(&mut *shared.lock())).unwrap_or_default()
    }

    /// Counts attempts that were made at another server, as far as the rate allows.
    pub fn count_log_ins(&self, from: &LogInFrom, attempts: u32) {
        let LogInFrom { network, email } = *from;
        for _ in 0..attempts {
            let counted = match email {
                Some(email) => self.0.users.check(&(network, email)),
                None => self.0.addresses.check(&network),
            };
            if counted.is_err() {
                return;
            }
        }
    }

    /// Counts a token for a key. [`Fault::TooMany`] beyond the key's rate.
    pub fn token(&self, key: Uuid) -> Result<(), Fault> {
        self.0.keys.check(&key)
    }

    /// Counts a request without a valid credential. [`Fault::TooMany`] beyond the rate of the IP address. Requests with
    /// a valid credential must not be counted here: behind a proxy all clients share one address.
    pub fn unauthenticated(&self, from: IpAddr) -> Result<(), Fault> {
        self.0.unauthenticated.check(&network(from))
    }

    /// Counts a look-up of a credential or a ticket in the store, whether it is valid or not. [`Fault::TooMany`] beyond the
    /// rate of the IP address. One that turns out not to be valid counts as [`Throttle::unauthenticated`] as well.
    pub fn look_up(&self, from: IpAddr) -> Result<(), Fault> {
        self.0.look_ups.check(&network(from))
    }

    /// Removes the callers with a full burst from memory.
    pub fn sweep(&self) {
        let Inner { users, addresses, keys, unauthenticated, look_ups, shared: _ } = &*self.0;
        users.sweep();
        addresses.sweep();
        keys.sweep();
        unauthenticated.sweep();
        look_ups.sweep();
    }
}

/// The rate-limit key of an address: an IPv4 address itself, or the /64 network of an IPv6 address, since a host can
/// use any of the 2^64 addresses of its network.
pub fn network(address: IpAddr) -> IpAddr {
    // On a socket for both families an IPv4 client has a mapped IPv6 address; all of those lie in one /64.
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::domain::Time;

    fn stage() -> (Clock, Throttle, IpAddr) {
        let clock = Clock::manual(Time::from_micros(0));
        (clock.clone(), Throttle::new(&clock, true), IpAddr::from([192, 0, 2, 1]))
    }

    #[test]
    fn ten_log_ins_a_minute_pass_for_one_email_from_one_address() {
        let (clock, throttle, home) = stage();
        for n in 0..10 {
            let email = if n % 2 == 0 { "Ann@example.com" } else { "ann@EXAMPLE.com" };
            assert_eq!(throttle.log_in(home, email), Ok(()), "{n}");
        }
        assert_eq!(throttle.log_in(home, "ann@example.com"), Err(Fault::TooMany { seconds: 6 }));
        assert_eq!(throttle.log_in(home, "ben@example.com"), Ok(()), "another e-mail address");
        assert_eq!(throttle.log_in([192, 0, 2, 2].into(), "ann@example.com"), Ok(()), "another IP address");
        clock.advance(Duration::from_secs(6));
        assert_eq!(throttle.log_in(home, "ann@example.com"), Ok(()), "after the stated wait");
        assert!(throttle.log_in(home, "ann@example.com").is_err());
    }

    #[test]
    fn a_hundred_log_ins_a_minute_pass_from_one_address() {
        let (_, throttle, home) = stage();
        for n in 0..100 {
            assert_eq!(throttle.log_in(home, &format!("{n}")), Ok(()));
        }
        assert_eq!(throttle.log_in(home, "x"), Err(Fault::TooMany { seconds: 1 }));
        assert_eq!(throttle.log_in([192, 0, 2, 2].into(), "x"), Ok(()));
    }

    #[test]
    fn log_ins_at_another_server_count() {
        let (clock, here, home) = stage();
        let there = Throttle::new(&clock, true);
        for n in 0..12 {
            assert_eq!(here.log_in(home, "ann@example.com").is_ok(), n < 10, "{n}");
        }
        let taken = here.take_log_ins();
        let of =
            |email: Option<&str>| LogInFrom { network: home, email: email.map(|email| Sha256::digest(email).into()) };
        assert_eq!(taken, HashMap::from([(of(None), 12), (of(Some("ann@example.com")), 10)]));
        assert!(here.take_log_ins().is_empty(), "they are taken once");
        for (from, attempts) in &taken {
            there.count_log_ins(from, *attempts);
        }
        assert!(there.take_log_ins().is_empty(), "what others counted is not passed on");
        assert!(there.log_in(home, "ann@example.com").is_err());
        for n in 0..87 {
            assert_eq!(there.log_in(home, &format!("{n}")), Ok(()));
        }
        assert!(there.log_in(home, "x").is_err(), "12, one, and 87 of the hundred of the network");
        there.count_log_ins(&of(None), u32::MAX);
    }

    #[test]
    fn further_networks_are_not_shared_beyond_a_number() {
        let (_, throttle, home) = stage();
        for n in 0..3_000_u32 {
            throttle.log_in(IpAddr::from((0x0a00_0000 + n).to_be_bytes()), "ann").unwrap();
        }
        let taken = throttle.take_log_ins();
        assert_eq!(taken.len(), MOST_SHARED);
        throttle.log_in(home, "ann").unwrap();
        assert_eq!(throttle.take_log_ins().len(), 2);
        let alone = Throttle::new(&Clock::manual(Time::from_micros(0)), false);
        alone.log_in(home, "ann").unwrap();
        assert!(alone.take_log_ins().is_empty());
    }

    #[test]
    fn an_ipv6_network_of_64_bits_is_one_key() {
        let of = |text: &str| network(text.parse().unwrap());
        assert_eq!(of("2001:db8:1:2::1"), of("2001:db8:1:2:ffff::2"));
        assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
    }

    #[test]
    fn sweep_removes_callers_with_full_bursts() {
        let (clock, throttle, home) = stage();
        throttle.log_in(home, "ann").unwrap();
        clock.advance(Duration::from_secs(30));
        throttle.log_in(home, "ben").unwrap();
        throttle.token(Uuid::nil()).unwrap();
        throttle.unauthenticated(home).unwrap();
        throttle.look_up(home).unwrap();
        clock.advance(Duration::from_secs(90));
        throttle.sweep();
        let Inner { users, addresses, keys, unauthenticated, look_ups, shared: _ } = &*throttle.0;
        assert!(users.is_empty() && addresses.is_empty() && keys.is_empty());
        assert!(unauthenticated.is_empty() && look_ups.is_empty());
    }
}

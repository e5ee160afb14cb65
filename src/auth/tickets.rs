//! Tickets: single-use credentials with which a browser connects a desk, in place of the tenant's key. They are kept in
//! memory only, as their hashes.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::ops::RangeInclusive;
use std::sync::Arc;

use parking_lot::Mutex;

use super::secret::{self, Secret};
use super::{Authorized, EventsWrite};
use crate::clock::Clock;
use crate::domain::{Fault, TenantId, Time};

/// Allowed validity of a ticket, in seconds.
pub const SECONDS: RangeInclusive<u32> = 1..=300;
/// Default validity of a ticket, in seconds.
pub const USUAL_SECONDS: u32 = 60;
/// Maximum number of unused tickets per tenant. More are rejected, so that no tenant can fill the memory.
pub const MAX_PER_TENANT: usize = 10_000;

/// The user, and possibly the session, that a ticket admits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pass {
    /// The user, by integer id: unlike an external id it cannot be moved to another user by a document.
    pub user: i64,
    /// The only session that may be opened; any if `None`.
    pub session: Option<Box<str>>,
}

struct Ticket {
    /// The caller that requested it, authenticated again when the ticket is redeemed.
    caller: Authorized<EventsWrite>,
    pass: Pass,
    expires: Time,
}

#[derive(Default)]
struct Waiting {
    by_hash: HashMap<[u8; 32], Ticket>,
    by_end: BTreeSet<(Time, [u8; 32])>,
    held: HashMap<TenantId, usize>,
}

/// The unused tickets. Clones share them.
#[derive(Clone)]
pub struct Tickets(Arc<Inner>);

struct Inner {
    clock: Clock,
    waiting: Mutex<Waiting>,
}

impl fmt::Debug for Tickets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tickets")
    }
}

impl Tickets {
    /// Creates a store without tickets.
    pub fn new(clock: &Clock) -> Self {
        Tickets(Arc::new(Inner { clock: clock.clone(), waiting: Mutex::default() }))
    }

    /// Issues a ticket for one connection, valid for `seconds`. Returns it with the time of its expiry.
    /// [`Fault::TooMany`] if the tenant has [`MAX_PER_TENANT`] unused tickets.
    pub fn issue(&self, caller: &Authorized<EventsWrite>, pass: Pass, seconds: u32) -> Result<(Secret, Time), Fault> {
        let now = self.0.clock.now();
        let mut waiting = self.0.waiting.lock();
        // Expired tickets must not count towards the limit.
        waiting.purge(now);
        let held = waiting.held.entry(caller.tenant()).or_default();
        if *held >= MAX_PER_TENANT {
            return Err(Fault::TooMany { seconds: 1 });
        }
        *held += 1;
        let (secret, expires) = (Secret::generate("dt"), now.plus_seconds(seconds.into()));
        waiting.by_end.insert((expires, secret.hash()));
        waiting.by_hash.insert(secret.hash(), Ticket { caller: *caller, pass, expires });
        Ok((secret, expires))
    }

    /// Redeems a ticket, which is invalid afterwards. Returns the caller that requested it and the pass.
    /// [`Fault::CredentialInvalid`] if it is unknown, used or expired.
    pub fn redeem(&self, ticket: &str) -> Result<(Authorized<EventsWrite>, Pass), Fault> {
        let hash = secret::hash_of_made(ticket).ok_or(Fault::CredentialInvalid)?;
        let now = self.0.clock.now();
        let mut waiting = self.0.waiting.lock();
        // An expired ticket must not be found, whenever the next one is issued.
        waiting.purge(now);
        let ticket = waiting.take(&hash).ok_or(Fault::CredentialInvalid)?;
        Ok((ticket.caller, ticket.pass))
    }

    /// Removes every ticket of a tenant.
    pub fn remove_all(&self, tenant: TenantId) {
        let mut waiting = self.0.waiting.lock();
        let of_tenant = waiting.by_hash.iter().filter(|(_, ticket)| ticket.caller.tenant() == tenant);
        let hashes: Vec<_> = of_tenant.map(|(hash, _)| *hash).collect();
        hashes.iter().for_each(|hash| drop(waiting.take(hash)));
    }
}

impl Waiting {
    fn take(&mut self, hash: &[u8; 32]) -> Option<Ticket> {
        let ticket = self.by_hash.remove(hash)?;
        self.by_end.remove(&(ticket.expires, *hash));
        let tenant = ticket.caller.tenant();
        if let Some(held) = self.held.get_mut(&tenant) {
            *held -= 1;
            if *held == 0 {
                self.held.remove(&tenant);
            }
        }
        Some(ticket)
    }

    /// Removes the tickets that have expired by `now`.
    fn purge(&mut self, now: Time) {
        while let Some((expires, hash)) = self.by_end.first().copied()
            && expires <= now
        {
            self.by_end.pop_first();
            self.take(&hash);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::auth::Caller;
    use crate::domain::{Scope, Scopes};

    fn stage() -> (Clock, Tickets) {
        let clock = Clock::manual(Time::from_micros(0));
        (clock.clone(), Tickets::new(&clock))
    }

    fn caller(tenant: u128) -> Authorized<EventsWrite> {
        let scopes: Scopes = [Scope::EventsWrite].into_iter().collect();
        let tenant = TenantId(uuid::Uuid::from_u128(tenant));
        Caller { tenant, scopes, credential: [0; 32], key: None, is_user: false }.authorize().unwrap()
    }

    fn pass() -> Pass {
        Pass { user: 101, session: Some("tab".into()) }
    }

    #[test]
    fn a_ticket_is_redeemed_once_and_before_it_expires() {
        let (clock, tickets) = stage();
        let (one, expires) = tickets.issue(&caller(1), pass(), 60).unwrap();
        let (late, _) = tickets.issue(&caller(1), pass(), 59).unwrap();
        assert_eq!(expires, Time::from_micros(60_000_000));
        clock.advance(Duration::from_secs(59));
        let (who, what) = tickets.redeem(one.reveal()).unwrap();
        assert_eq!((who.tenant(), what), (caller(1).tenant(), pass()));
        for worthless in [one.reveal(), late.reveal(), "", "dt_"] {
            assert_eq!(tickets.redeem(worthless).map(|_| ()), Err(Fault::CredentialInvalid), "{worthless}");
        }
    }

    #[test]
    fn unused_tickets_are_limited_per_tenant() {
        let (clock, tickets) = stage();
        for _ in 0..MAX_PER_TENANT {
            tickets.issue(&caller(1), pass(), 60).unwrap();
        }
        let refused = |tickets: &Tickets| tickets.issue(&caller(1), pass(), 60).err();
        assert_eq!(refused(&tickets), Some(Fault::TooMany { seconds: 1 }));
        tickets.issue(&caller(2), pass(), 300).unwrap();
        clock.advance(Duration::from_secs(60));
        assert_eq!(refused(&tickets), None, "the others have expired");
        assert_eq!(tickets.0.waiting.lock().by_hash.len(), 2, "expired tickets are removed");
        tickets.issue(&caller(1), pass(), 300).unwrap();
        tickets.remove_all(TenantId(uuid::Uuid::from_u128(1)));
        let held: Vec<_> = tickets.0.waiting.lock().held.keys().copied().collect();
        assert_eq!(held, [TenantId(uuid::Uuid::from_u128(2))], "those of the other tenant stay");
        clock.advance(Duration::from_secs(300));
        assert!(tickets.redeem("").is_err());
        let waiting = tickets.0.waiting.lock();
        assert_eq!((waiting.by_hash.len(), waiting.by_end.len(), waiting.held.len()), (0, 0, 0));
    }
}

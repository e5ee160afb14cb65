//! Tickets: what a browser connects a desk with, in place of the tenant's key. Kept in memory only, as their hashes.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::ops::RangeInclusive;
use std::sync::Arc;

use parking_lot::Mutex;

use super::Caller;
use super::secret::{self, Secret};
use crate::clock::Clock;
use crate::domain::{Fault, TenantId, Time};

/// For how many seconds a ticket may be good.
pub const SECONDS: RangeInclusive<u32> = 1..=300;
/// For how many it is when nobody says.
pub const USUAL_SECONDS: u32 = 60;
/// Tickets of one tenant that wait to be used; more are refused, so that none fills the memory.
pub const A_TENANT: usize = 10_000;

/// Whose desk a ticket opens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pass {
    /// The user, by integer id, which is never another's.
    pub user: i64,
    /// The session, if it is to be that one only.
    pub session: Option<Box<str>>,
}

struct Ticket {
    /// Who asked for it; whether they still may is asked again when it is used.
    caller: Caller,
    pass: Pass,
    expires: Time,
}

#[derive(Default)]
struct Waiting {
    by_hash: HashMap<[u8; 32], Ticket>,
    by_end: BTreeSet<(Time, [u8; 32])>,
    held: HashMap<TenantId, usize>,
}

/// The tickets that wait to be used. A clone shares them.
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
    /// Nobody has one yet.
    pub fn new(clock: &Clock) -> Self {
        Tickets(Arc::new(Inner { clock: clock.clone(), waiting: Mutex::default() }))
    }

    /// A ticket for one connection within so many seconds, and when they end. [`Fault::TooMany`] when too many of the
    /// tenant's wait.
    pub fn issue(&self, caller: &Caller, pass: Pass, seconds: u32) -> Result<(Secret, Time), Fault> {
        let now = self.0.clock.now();
        let mut waiting = self.0.waiting.lock();
        waiting.purge(now);
        let held = waiting.held.entry(caller.tenant()).or_default();
        if *held >= A_TENANT {
            return Err(Fault::TooMany { seconds: 1 });
        }
        *held += 1;
        let (secret, expires) = (Secret::generate("dt"), now.plus_seconds(seconds.into()));
        waiting.by_end.insert((expires, secret.hash()));
        waiting.by_hash.insert(secret.hash(), Ticket { caller: *caller, pass, expires });
        Ok((secret, expires))
    }

    /// Takes a ticket, which nobody can use after this: who asked for it, and whose desk it opens.
    pub fn redeem(&self, ticket: &str) -> Result<(Caller, Pass), Fault> {
        let hash = secret::hash_of_made(ticket).ok_or(Fault::CredentialInvalid)?;
        let now = self.0.clock.now();
        let mut waiting = self.0.waiting.lock();
        waiting.purge(now);
        let ticket = waiting.take(&hash).ok_or(Fault::CredentialInvalid)?;
        Ok((ticket.caller, ticket.pass))
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

    /// Lets go of those that have run out by `now`.
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
    use crate::domain::{Scope, Scopes};

    fn stage() -> (Clock, Tickets) {
        let clock = Clock::manual(Time::from_micros(0));
        (clock.clone(), Tickets::new(&clock))
    }

    fn caller(tenant: u128) -> Caller {
        let scopes: Scopes = [Scope::EventsWrite].into_iter().collect();
        Caller { tenant: TenantId(uuid::Uuid::from_u128(tenant)), scopes, credential: [0; 32] }
    }

    fn pass() -> Pass {
        Pass { user: 101, session: Some("tab".into()) }
    }

    #[test]
    fn a_ticket_is_used_once_and_in_time() {
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
    fn one_tenant_keeps_no_other_from_its_tickets() {
        let (clock, tickets) = stage();
        for _ in 0..A_TENANT {
            tickets.issue(&caller(1), pass(), 60).unwrap();
        }
        let refused = |tickets: &Tickets| tickets.issue(&caller(1), pass(), 60).err();
        assert_eq!(refused(&tickets), Some(Fault::TooMany { seconds: 1 }));
        tickets.issue(&caller(2), pass(), 300).unwrap();
        clock.advance(Duration::from_secs(60));
        assert_eq!(refused(&tickets), None, "they have run out");
        assert_eq!(tickets.0.waiting.lock().by_hash.len(), 2, "and are gone");
        clock.advance(Duration::from_secs(300));
        assert!(tickets.redeem("").is_err());
        let waiting = tickets.0.waiting.lock();
        assert_eq!((waiting.by_hash.len(), waiting.by_end.len(), waiting.held.len()), (0, 0, 0));
    }
}

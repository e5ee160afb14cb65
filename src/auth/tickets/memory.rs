//! The tickets of an embedded store: in memory, so that a ticket costs no write of the file that all events wait for.

use std::collections::{BTreeSet, HashMap};

use crate::domain::{TenantId, Time};
use crate::store::TicketRecord;

/// The unused tickets, found by their hash.
#[derive(Default)]
pub(super) struct Waiting {
    by_hash: HashMap<[u8; 32], TicketRecord>,
    by_end: BTreeSet<(Time, [u8; 32])>,
    /// The numbers of tickets of each tenant: for desks, and for live queries.
    held: HashMap<TenantId, [usize; 2]>,
}

/// The place of a ticket's kind among the numbers of its tenant.
fn kind(ticket: &TicketRecord) -> usize {
    usize::from(ticket.user.is_none())
}

impl Waiting {
    /// Adds a ticket. Returns false if its tenant has `most` tickets of its kind that have not expired by `now`.
    pub fn add(&mut self, ticket: TicketRecord, now: Time, most: usize) -> bool {
        // Expired tickets must not count towards the limit.
        self.purge(now);
        let held = &mut self.held.entry(ticket.tenant).or_default()[kind(&ticket)];
        if *held >= most {
            return false;
        }
        *held += 1;
        self.by_end.insert((ticket.expires, ticket.hash));
        self.by_hash.insert(ticket.hash, ticket);
        true
    }

    /// Takes out the ticket with this hash, unless it has expired by `now`.
    pub fn redeem(&mut self, hash: &[u8; 32], now: Time) -> Option<TicketRecord> {
        // An expired ticket must not be found, whenever the next one is made.
        self.purge(now);
        self.take(hash)
    }

    /// Returns the ticket with this hash, unless it has expired by `now`.
    pub fn find(&self, hash: &[u8; 32], now: Time) -> Option<TicketRecord> {
        self.by_hash.get(hash).filter(|ticket| ticket.expires > now).cloned()
    }

    /// Removes every ticket of a tenant.
    pub fn remove_all(&mut self, tenant: TenantId) {
        let of_tenant = self.by_hash.iter().filter(|(_, ticket)| ticket.tenant == tenant);
        let hashes: Vec<_> = of_tenant.map(|(hash, _)| *hash).collect();
        hashes.iter().for_each(|hash| drop(self.take(hash)));
    }

    fn take(&mut self, hash: &[u8; 32]) -> Option<TicketRecord> {
        let ticket = self.by_hash.remove(hash)?;
        self.by_end.remove(&(ticket.expires, *hash));
        if let Some(held) = self.held.get_mut(&ticket.tenant) {
            held[kind(&ticket)] -= 1;
            if *held == [0; 2] {
                self.held.remove(&ticket.tenant);
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
    use uuid::Uuid;

    use super::*;

    fn ticket(tenant: u128, n: u32, seconds: i64) -> TicketRecord {
        let mut hash = [0; 32];
        hash[..4].copy_from_slice(&n.to_be_bytes());
        hash[4..20].copy_from_slice(&tenant.to_be_bytes());
        let tenant = TenantId(Uuid::from_u128(tenant));
        TicketRecord {
            hash,
            tenant,
            credential: [7; 32],
            user: Some(101),
            session: Some("tab".into()),
            expires: at(seconds),
        }
    }

    fn at(seconds: i64) -> Time {
        Time::from_micros(0).plus_seconds(seconds)
    }

    #[test]
    fn a_ticket_is_redeemed_once_and_before_it_expires() {
        let mut waiting = Waiting::default();
        let (one, late) = (ticket(1, 1, 60), ticket(1, 2, 59));
        for ticket in [&one, &late] {
            assert!(waiting.add(ticket.clone(), at(0), 10));
        }
        assert_eq!(waiting.redeem(&one.hash, at(59)), Some(one.clone()));
        for worthless in [one, late] {
            assert_eq!(waiting.redeem(&worthless.hash, at(59)), None);
        }
    }

    #[test]
    fn a_ticket_that_is_found_stays_until_it_expires() {
        let mut waiting = Waiting::default();
        let live = TicketRecord { user: None, ..ticket(1, 1, 60) };
        assert!(waiting.add(live.clone(), at(0), 1));
        assert!(waiting.add(ticket(1, 2, 60), at(0), 1), "those of desks are counted apart");
        for _ in 0..2 {
            assert_eq!(waiting.find(&live.hash, at(59)), Some(live.clone()));
        }
        assert_eq!(waiting.find(&live.hash, at(60)), None);
        assert!(!waiting.add(TicketRecord { hash: [9; 32], ..live }, at(59), 1));
    }

    #[test]
    fn unused_tickets_are_limited_per_tenant() {
        let mut waiting = Waiting::default();
        for n in 0..3 {
            assert!(waiting.add(ticket(1, n, 60), at(0), 3));
        }
        assert!(!waiting.add(ticket(1, 3, 60), at(0), 3));
        assert!(waiting.add(ticket(2, 0, 300), at(0), 3), "another tenant's");
        assert!(waiting.add(ticket(1, 4, 120), at(60), 3), "the others have expired");
        assert_eq!(waiting.by_hash.len(), 2, "expired tickets are removed");
        waiting.remove_all(TenantId(Uuid::from_u128(1)));
        let held: Vec<_> = waiting.held.keys().copied().collect();
        assert_eq!(held, [TenantId(Uuid::from_u128(2))], "those of the other tenant stay");
        assert_eq!(waiting.redeem(&[9; 32], at(300)), None);
        assert_eq!((waiting.by_hash.len(), waiting.by_end.len(), waiting.held.len()), (0, 0, 0));
    }
}

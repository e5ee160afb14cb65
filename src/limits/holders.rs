//! Connections by holder, and the one of them that makes room: the longest idle one of the holder with the most.
//!
//! A flood of connections therefore closes its own. All networks together are compared with the largest tenant, so that
//! a flood from many networks closes no tenant's connections.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;

use crate::domain::TenantId;

/// The account that a connection counts for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Holder {
    /// The network of a client without a valid credential so far.
    Network(IpAddr),
    /// The tenant of the connection's newest valid credential.
    Tenant(TenantId),
}

/// The connections of all holders.
#[derive(Debug, Default)]
pub struct Holders {
    groups: HashMap<Holder, Group>,
    /// The networks with a connection that can be closed; the last one has the most connections.
    networks: BTreeSet<Claim>,
    /// The tenants with a connection that can be closed; the last one has the most connections.
    tenants: BTreeSet<Claim>,
    /// The connections of all networks together.
    of_networks: usize,
    /// The connections of all holders together.
    all: usize,
}

/// One holder's connections.
#[derive(Debug, Default)]
struct Group {
    connections: usize,
    /// The ids of those that can be closed, by a number that ascends with time.
    closable: BTreeMap<u64, u64>,
}

/// A holder's place in the order. Among holders with as many connections, the one with the oldest comes last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Claim {
    connections: usize,
    oldest: Reverse<u64>,
    id: u64,
}

impl Holders {
    /// Counts one more connection of a holder.
    pub fn enter(&mut self, holder: Holder) {
        self.change(holder, |group| group.connections += 1);
    }

    /// Counts one connection of a holder less.
    pub fn leave(&mut self, holder: Holder) {
        self.change(holder, |group| group.connections -= 1);
    }

    /// Allows to close a counted connection. `number` is larger than all before.
    pub fn allow(&mut self, holder: Holder, number: u64, id: u64) {
        self.change(holder, |group| {
            group.closable.insert(number, id);
        });
    }

    /// Forbids to close the connection that was allowed with `number`.
    pub fn forbid(&mut self, holder: Holder, number: u64) {
        self.change(holder, |group| {
            group.closable.remove(&number);
        });
    }

    /// Returns the connection to close for the next one; `None` if none can be closed.
    pub fn victim(&self) -> Option<u64> {
        let victim = match (self.networks.last(), self.tenants.last()) {
            (Some(_), Some(tenant)) if tenant.connections >= self.of_networks => tenant,
            (Some(network), _) => network,
            (None, tenant) => tenant?,
        };
        Some(victim.id)
    }

    /// Returns the number of counted connections.
    pub const fn len(&self) -> usize {
        self.all
    }

    /// Returns true if no connection is counted.
    pub const fn is_empty(&self) -> bool {
        self.all == 0
    }

    fn change(&mut self, holder: Holder, change: impl FnOnce(&mut Group)) {
        let group = self.groups.entry(holder).or_default();
        let (claim, before) = (group.claim(), group.connections);
        change(group);
        let (new_claim, after) = (group.claim(), group.connections);
        if after == 0 {
            self.groups.remove(&holder);
        }
        self.all = self.all + after - before;
        let claims = match holder {
            Holder::Network(_) => {
                self.of_networks = self.of_networks + after - before;
                &mut self.networks
            }
            Holder::Tenant(_) => &mut self.tenants,
        };
        if let Some(claim) = claim {
            claims.remove(&claim);
        }
        claims.extend(new_claim);
    }
}

impl Group {
    fn claim(&self) -> Option<Claim> {
        let (number, id) = self.closable.first_key_value()?;
        Some(Claim { connections: self.connections, oldest: Reverse(*number), id: *id })
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    const ACME: Holder = Holder::Tenant(TenantId(Uuid::from_u128(1)));
    const OTHER: Holder = Holder::Tenant(TenantId(Uuid::from_u128(2)));

    fn network(last: u8) -> Holder {
        Holder::Network(IpAddr::from([192, 0, 2, last]))
    }

    /// Makes a closable connection of each of these holders, oldest first, with ids from 0.
    fn holders(all: &[Holder]) -> Holders {
        let mut holders = Holders::default();
        for (n, holder) in all.iter().enumerate() {
            holders.enter(*holder);
            holders.allow(*holder, n as u64, n as u64);
        }
        holders
    }

    #[test]
    fn the_oldest_of_the_holder_with_the_most_makes_room() {
        assert_eq!(holders(&[]).victim(), None);
        assert_eq!(holders(&[OTHER, ACME, ACME]).victim(), Some(1));
        assert_eq!(holders(&[ACME, network(1), network(2), network(2)]).victim(), Some(2));
        assert_eq!(holders(&[network(3), network(1), network(2)]).victim(), Some(0), "the oldest of equals");
        assert_eq!(holders(&[ACME, network(1)]).victim(), Some(0), "a tenant before networks with as many");
        assert_eq!(holders(&[ACME, ACME, network(1), network(2), network(3)]).victim(), Some(2), "all networks");
        assert_eq!(holders(&[network(1), ACME, ACME]).victim(), Some(1));
    }

    #[test]
    fn connections_that_may_not_be_closed_count_as_well() {
        let mut holders = holders(&[ACME, ACME, ACME, OTHER, OTHER, network(1)]);
        holders.forbid(ACME, 0);
        assert_eq!(holders.victim(), Some(1));
        holders.forbid(ACME, 1);
        holders.forbid(ACME, 2);
        assert_eq!(holders.victim(), Some(3), "the next tenant");
        holders.allow(ACME, 9, 0);
        assert_eq!(holders.victim(), Some(0));
        holders.forbid(ACME, 9);
        for _ in 0..3 {
            holders.leave(ACME);
        }
        holders.forbid(OTHER, 3);
        holders.leave(OTHER);
        assert_eq!((holders.victim(), holders.len()), (Some(4), 2));
        holders.forbid(OTHER, 4);
        holders.leave(OTHER);
        holders.forbid(network(1), 5);
        holders.leave(network(1));
        assert!(holders.is_empty() && holders.groups.is_empty() && holders.victim().is_none());
        assert!(holders.networks.is_empty() && holders.tenants.is_empty());
    }
}

//! When silent desks are given up. Deadlines live here, outside state and journal: a heartbeat costs no write.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use crate::domain::TenantId;
use crate::live::state::Lease;

/// One session's lease.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Key {
    tenant: TenantId,
    user: i64,
    session: Box<str>,
}

#[derive(Clone, Debug)]
struct Term {
    opened: u64,
    deadline: Duration,
}

/// A lease that ran out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expired {
    /// Whose.
    pub tenant: TenantId,
    /// Which user, by integer id.
    pub user: i64,
    /// Which session.
    pub session: Box<str>,
    /// The incarnation that it ends.
    pub opened: u64,
}

/// All leases that run.
#[derive(Debug, Default)]
pub struct Leases {
    terms: HashMap<Key, Term>,
    order: BTreeSet<(Duration, Key)>,
}

impl Leases {
    /// Starts or renews a lease at `now`; one without length ends.
    pub fn renew(&mut self, tenant: TenantId, lease: Lease, now: Duration) {
        let key = Key { tenant, user: lease.user, session: lease.session };
        self.end(&key);
        if let Some(seconds) = lease.seconds {
            let deadline = now + Duration::from_secs(seconds.into());
            self.order.insert((deadline, key.clone()));
            self.terms.insert(key, Term { opened: lease.opened, deadline });
        }
    }

    /// The earliest deadline.
    pub fn next(&self) -> Option<Duration> {
        self.order.first().map(|(deadline, _)| *deadline)
    }

    /// Takes out every lease whose deadline has been reached, but at most `limit`.
    pub fn expire(&mut self, now: Duration, limit: usize) -> Vec<Expired> {
        let mut expired = Vec::new();
        while expired.len() < limit
            && let Some((deadline, _)) = self.order.first()
            && *deadline <= now
            && let Some((_, key)) = self.order.pop_first()
            && let Some(term) = self.terms.remove(&key)
        {
            expired.push(Expired { tenant: key.tenant, user: key.user, session: key.session, opened: term.opened });
        }
        expired
    }

    fn end(&mut self, key: &Key) {
        if let Some((key, term)) = self.terms.remove_entry(key) {
            self.order.remove(&(term.deadline, key));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lease(session: &str, seconds: u32) -> Lease {
        Lease { user: 1, session: session.into(), opened: 7, seconds: Some(seconds) }
    }

    #[test]
    fn a_renewed_lease_runs_from_its_renewal() {
        let tenant = TenantId(uuid::Uuid::nil());
        let at = Duration::from_secs;
        let mut leases = Leases::default();
        leases.renew(tenant, lease("a", 10), at(0));
        leases.renew(tenant, lease("b", 10), at(0));
        leases.renew(tenant, lease("a", 10), at(5));
        assert_eq!(leases.expire(at(9), 10), []);
        assert_eq!(leases.expire(at(10), 10).iter().map(|e| &*e.session).collect::<Vec<_>>(), ["b"]);
        assert_eq!(leases.next(), Some(at(15)));
        assert_eq!(leases.expire(at(15), 10).len(), 1);
        assert_eq!(leases.next(), None);
    }
}

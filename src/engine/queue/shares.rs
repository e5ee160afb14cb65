//! The shares of the engine's queue: bounded in requests and bytes.
//!
//! A request is admitted while its tenant has less waiting than is still free. So one tenant that floods gets half of
//! the queue, two get a third each, and there is always some left for the next.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::domain::TenantId;

/// Requests and KiB that are waiting, or the most that may be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::engine) struct Load {
    pub requests: usize,
    pub kib: usize,
}

/// What may wait, and what is waiting.
#[derive(Debug)]
pub(in crate::engine) struct Shares {
    bound: Load,
    taken: Mutex<UsedShares>,
}

/// The shares in use, in all and by tenant.
#[derive(Debug, Default)]
struct UsedShares {
    all: Load,
    tenants: HashMap<TenantId, Load>,
}

/// One request's share of the queue, released when dropped.
#[derive(Debug)]
pub(in crate::engine) struct QueuePermit {
    shares: Arc<Shares>,
    tenant: TenantId,
    kib: usize,
}

impl Shares {
    /// Creates the shares of an empty queue.
    pub fn new(bound: Load) -> Arc<Self> {
        Arc::new(Shares { bound, taken: Mutex::default() })
    }

    /// Returns the most KiB that one request counts for. A larger one counts as this, so that an empty queue admits it.
    pub fn largest(&self) -> usize {
        (self.bound.kib / 2).max(1)
    }

    /// Takes a share for a request of `kib` KiB. `None` when the tenant's share of the queue is used up.
    pub fn enter(self: &Arc<Self>, tenant: TenantId, kib: usize) -> Option<QueuePermit> {
        let mut taken = self.taken.lock();
        let own = taken.tenants.get(&tenant).copied().unwrap_or_default();
        // Cannot underflow: a share is only given while it fits.
        let free = Load { requests: self.bound.requests - taken.all.requests, kib: self.bound.kib - taken.all.kib };
        if own.requests >= free.requests || own.kib + kib > free.kib {
            return None;
        }
        taken.all = Load { requests: taken.all.requests + 1, kib: taken.all.kib + kib };
        taken.tenants.insert(tenant, Load { requests: own.requests + 1, kib: own.kib + kib });
        Some(QueuePermit { shares: self.clone(), tenant, kib })
    }
}

impl Drop for QueuePermit {
    fn drop(&mut self) {
        let UsedShares { all, tenants } = &mut *self.shares.taken.lock();
        *all = Load { requests: all.requests - 1, kib: all.kib - self.kib };
        if let Some(own) = tenants.get_mut(&self.tenant) {
            *own = Load { requests: own.requests - 1, kib: own.kib - self.kib };
            // Idle tenants take no memory.
            if own.requests == 0 {
                tenants.remove(&self.tenant);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn tenant(n: u128) -> TenantId {
        TenantId(Uuid::from_u128(n))
    }

    /// Takes shares for a tenant until none is left to it.
    fn flood(shares: &Arc<Shares>, tenant: TenantId, kib: usize) -> Vec<QueuePermit> {
        std::iter::from_fn(|| shares.enter(tenant, kib)).collect()
    }

    #[test]
    fn a_flooding_tenant_leaves_requests_for_the_next() {
        let shares = Shares::new(Load { requests: 64, kib: 1 << 20 });
        let mut held = Vec::new();
        let got: Vec<usize> = (0..6)
            .map(|n| {
                let permits = flood(&shares, tenant(n), 1);
                let got = permits.len();
                held.push(permits);
                got
            })
            .collect();
        assert_eq!(got, [32, 16, 8, 4, 2, 1]);
        held.clear();
        assert_eq!(shares.taken.lock().tenants, HashMap::new());
        assert_eq!(shares.taken.lock().all, Load::default());
        assert_eq!(flood(&shares, tenant(0), 1).len(), 32, "all of it is free again");
    }

    #[test]
    fn large_requests_leave_bytes_for_the_next() {
        let shares = Shares::new(Load { requests: 1_000, kib: 100 });
        let flood = flood(&shares, tenant(0), 10);
        assert_eq!(flood.len(), 5);
        assert!(shares.enter(tenant(1), 50).is_some() && shares.enter(tenant(1), 51).is_none());
        drop(flood);
        assert!(shares.enter(tenant(0), shares.largest()).is_some());
    }

    #[test]
    fn one_request_fits_the_smallest_queue() {
        let shares = Shares::new(Load { requests: 1, kib: 1 });
        let permit = shares.enter(tenant(0), shares.largest());
        assert!(permit.is_some() && shares.enter(tenant(1), 1).is_none());
        drop(permit);
        assert!(shares.enter(tenant(1), 1).is_some());
    }
}

//! How much may wait for the engine: a bound in number and in KiB, of which nobody gets more than they leave to others.
//!
//! A tenant is let in while it has less waiting than is still free. So one that floods gets half of the room, two get a
//! third each, and there is always some left for the next: no number of them fills it for somebody who is not there yet.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::domain::TenantId;

/// What waits, or what may.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Load {
    pub requests: usize,
    pub kib: usize,
}

/// The room before the engine.
#[derive(Debug)]
pub(super) struct Room {
    bound: Load,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    all: Load,
    tenants: HashMap<TenantId, Load>,
}

/// One request's share of the room; given back when dropped.
#[derive(Debug)]
pub(super) struct Share {
    room: Arc<Room>,
    tenant: TenantId,
    kib: usize,
}

impl Room {
    pub fn new(bound: Load) -> Arc<Self> {
        Arc::new(Room { bound, taken: Mutex::default() })
    }

    /// The largest that one request may be; what is larger counts as this, so that it has a place in an empty room.
    pub fn largest(&self) -> usize {
        (self.bound.kib / 2).max(1)
    }

    /// A share for a request of so many KiB, if there is one for its tenant.
    pub fn enter(self: &Arc<Self>, tenant: TenantId, kib: usize) -> Option<Share> {
        let mut taken = self.taken.lock();
        let own = taken.tenants.get(&tenant).copied().unwrap_or_default();
        let free = Load { requests: self.bound.requests - taken.all.requests, kib: self.bound.kib - taken.all.kib };
        if own.requests >= free.requests || own.kib + kib > free.kib {
            return None;
        }
        taken.all = Load { requests: taken.all.requests + 1, kib: taken.all.kib + kib };
        taken.tenants.insert(tenant, Load { requests: own.requests + 1, kib: own.kib + kib });
        Some(Share { room: self.clone(), tenant, kib })
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let Taken { all, tenants } = &mut *self.room.taken.lock();
        *all = Load { requests: all.requests - 1, kib: all.kib - self.kib };
        if let Some(own) = tenants.get_mut(&self.tenant) {
            *own = Load { requests: own.requests - 1, kib: own.kib - self.kib };
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

    /// As many shares as a tenant gets.
    fn flood(room: &Arc<Room>, tenant: TenantId, kib: usize) -> Vec<Share> {
        std::iter::from_fn(|| room.enter(tenant, kib)).collect()
    }

    #[test]
    fn whoever_floods_leaves_room_for_the_next() {
        let room = Room::new(Load { requests: 64, kib: 1 << 20 });
        let mut held = Vec::new();
        let got: Vec<usize> = (0..6)
            .map(|n| {
                let shares = flood(&room, tenant(n), 1);
                let got = shares.len();
                held.push(shares);
                got
            })
            .collect();
        assert_eq!(got, [32, 16, 8, 4, 2, 1]);
        held.clear();
        assert_eq!(room.taken.lock().tenants, HashMap::new());
        assert_eq!(room.taken.lock().all, Load::default());
        assert_eq!(flood(&room, tenant(0), 1).len(), 32, "all of it is there again");
    }

    #[test]
    fn large_requests_leave_room_as_well() {
        let room = Room::new(Load { requests: 1_000, kib: 100 });
        let flood = flood(&room, tenant(0), 10);
        assert_eq!(flood.len(), 5);
        assert!(room.enter(tenant(1), 50).is_some() && room.enter(tenant(1), 51).is_none());
        drop(flood);
        assert!(room.enter(tenant(0), room.largest()).is_some());
    }

    #[test]
    fn the_smallest_room_has_one_place() {
        let room = Room::new(Load { requests: 1, kib: 1 });
        let share = room.enter(tenant(0), room.largest());
        assert!(share.is_some() && room.enter(tenant(1), 1).is_none());
        drop(share);
        assert!(room.enter(tenant(1), 1).is_some());
    }
}

//! Limits the connections: evicts one to make room for the next, and reserves places for health probes.
//!
//! Accepting never stops. When every place is taken, another connection is evicted: first the oldest without a valid
//! credential on its newest request, then the oldest that is idle between two requests of a tenant. If there is none of
//! either, the new connection gets a reserved place, where only health probes are answered.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::domain::{Fault, TenantId};

/// The limits on the number of connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SocketLimits {
    /// Connections at a time.
    pub places: usize,
    /// Further connections that are reserved for health probes.
    pub reserved: usize,
}

impl SocketLimits {
    /// The usual number of reserved places.
    const RESERVED: usize = 64;

    /// Returns the limits for a number of connections.
    pub const fn of(places: usize) -> Self {
        SocketLimits { places, reserved: SocketLimits::RESERVED }
    }

    /// Lowers the limits to fit the process's limit on open files.
    pub fn within_files(self, files: usize) -> Self {
        // Files of the store and the rest of the process.
        const OTHER_FILES: usize = 128;
        let usable = files.saturating_sub(OTHER_FILES);
        let reserved = self.reserved.min(usable / 8).max(1);
        SocketLimits { places: self.places.min(usable.saturating_sub(reserved)).max(1), reserved }
    }
}

/// The order in which connections are evicted. Within a rank the oldest goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    /// Without a valid credential on its newest request, or without any request yet.
    Unauthenticated,
    /// Idle after a request of a tenant.
    Idle,
    /// In a reserved place; evicted only for another connection there.
    Reserved,
}

/// A connection's key in the order of eviction: its rank, and a number that ascends with time.
type Key = (Rank, u64);

/// The connections of this process. A clone shares them.
#[derive(Clone, Debug)]
pub struct Sockets(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    limits: SocketLimits,
    is_enforced: bool,
    state: Mutex<State>,
    /// Notified when a connection ends.
    left: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// The newest number given to a connection, or to a key in the order of eviction.
    next: u64,
    /// Every connection, by its number.
    entries: HashMap<u64, Entry>,
    /// The connections that can be evicted, by rank and age.
    evictable: BTreeMap<Key, u64>,
    /// The number of entries in reserved places.
    reserved: usize,
    /// The number of connections that cannot be evicted, by tenant: desks, and connections with a running request.
    held: HashMap<TenantId, usize>,
    /// The sum of `held`.
    all_held: usize,
}

/// The state of one connection.
#[derive(Debug)]
struct Entry {
    /// True in a reserved place.
    is_reserved: bool,
    /// Its key in `State::evictable`; `None` during a request of a tenant, and for desks.
    key: Option<Key>,
    /// The tenant of the newest request, or of the desk.
    tenant: Option<TenantId>,
    is_desk: bool,
    /// True while it is counted in `State::held`.
    is_held: bool,
    /// Cancelled when the connection is evicted.
    cut: CancellationToken,
}

/// One connection's place, released when dropped.
#[derive(Debug)]
pub struct ConnectionPermit {
    sockets: Sockets,
    id: u64,
    cut: CancellationToken,
}

impl Sockets {
    /// Makes an empty set. If the limits are not enforced, new connections wait for a place, and none is evicted.
    pub fn new(limits: SocketLimits, is_enforced: bool) -> Self {
        Sockets(Arc::new(Inner { limits, is_enforced, state: Mutex::default(), left: Notify::new() }))
    }

    /// Waits for a free place if the limits are not enforced. Otherwise returns at once, since eviction makes room.
    pub async fn room(&self) {
        loop {
            // Before the check, so that a connection that ends in between is not missed.
            let left = self.0.left.notified();
            if self.0.is_enforced || self.len() < self.0.limits.places {
                return;
            }
            left.await;
        }
    }

    /// Gives a new connection a place. Evicts another connection if all are taken.
    pub fn admit(&self) -> ConnectionPermit {
        let mut state = self.0.state.lock();
        let mut is_reserved = false;
        // A reserved place is used only if no connection can be evicted.
        if self.0.is_enforced && state.taken() >= self.0.limits.places && !state.evict(Rank::Unauthenticated) {
            is_reserved = true;
            if state.reserved >= self.0.limits.reserved {
                state.evict(Rank::Reserved);
            }
        }
        let (id, cut) = (state.number(), CancellationToken::new());
        let entry = Entry { is_reserved, key: None, tenant: None, is_desk: false, is_held: false, cut: cut.clone() };
        state.reserved += usize::from(is_reserved);
        state.entries.insert(id, entry);
        state.rank(id, Rank::Unauthenticated);
        drop(state);
        ConnectionPermit { sockets: self.clone(), id, cut }
    }

    /// Evicts one connection when the process has no more open files. Returns false if none can be evicted.
    pub fn make_room(&self) -> bool {
        let mut state = self.0.state.lock();
        self.0.is_enforced && (state.evict(Rank::Unauthenticated) || state.evict(Rank::Reserved))
    }

    /// Returns the number of connections.
    pub fn len(&self) -> usize {
        self.0.state.lock().entries.len()
    }

    /// Returns true if there are no connections.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl State {
    /// Returns the number of connections outside of the reserved places.
    fn taken(&self) -> usize {
        self.entries.len() - self.reserved
    }

    /// Returns a number that is larger than all before.
    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    /// Makes a connection evictable, as the newest of its rank. A connection in a reserved place stays of
    /// [`Rank::Reserved`].
    fn rank(&mut self, id: u64, rank: Rank) {
        let number = self.number();
        let Some(entry) = self.entries.get_mut(&id) else { return };
        let key = (if entry.is_reserved { Rank::Reserved } else { rank }, number);
        if let Some(before) = entry.key.replace(key) {
            self.evictable.remove(&before);
        }
        self.evictable.insert(key, id);
    }

    /// Evicts the first connection in order: from the reserved places for [`Rank::Reserved`], else from the others.
    /// Returns false if there is none.
    fn evict(&mut self, from: Rank) -> bool {
        // The range goes on into the later ranks; the guard below keeps the reserved places apart from the others.
        let first = self.evictable.range((from, 0)..).next().map(|((rank, _), id)| (*rank, *id));
        match first {
            Some((rank, id)) if (rank == Rank::Reserved) == (from == Rank::Reserved) => {
                if let Some(entry) = self.remove(id) {
                    entry.cut.cancel();
                }
                true
            }
            _ => false,
        }
    }

    fn remove(&mut self, id: u64) -> Option<Entry> {
        let entry = self.entries.remove(&id)?;
        if let Some(key) = entry.key {
            self.evictable.remove(&key);
        }
        self.reserved -= usize::from(entry.is_reserved);
        if let (true, Some(tenant)) = (entry.is_held, entry.tenant) {
            self.release(tenant);
        }
        Some(entry)
    }

    /// Counts a connection of a tenant that cannot be evicted. [`Fault::TooMany`] unless the tenant has fewer of them
    /// than there are places without one: one tenant gets at most half of the places, and some are always left for the
    /// next.
    fn hold(&mut self, tenant: TenantId, limits: Option<SocketLimits>) -> Result<(), Fault> {
        let own = self.held.get(&tenant).copied().unwrap_or_default();
        if limits.is_some_and(|limits| own >= limits.places.saturating_sub(self.all_held)) {
            return Err(Fault::TooMany { seconds: 1 });
        }
        self.all_held += 1;
        *self.held.entry(tenant).or_default() += 1;
        Ok(())
    }

    fn release(&mut self, tenant: TenantId) {
        self.all_held -= 1;
        if let Some(held) = self.held.get_mut(&tenant) {
            *held -= 1;
            if *held == 0 {
                self.held.remove(&tenant);
            }
        }
    }
}

impl ConnectionPermit {
    /// Returns the token that is cancelled when the connection is evicted and must be closed at once.
    pub fn cut(&self) -> &CancellationToken {
        &self.cut
    }

    /// Notes that a request's head was received. Returns false if it must be rejected: a connection in a reserved place
    /// serves only health probes, unless it can move to a place that has become free.
    pub fn request_started(&self, is_health: bool) -> bool {
        let mut state = self.sockets.0.state.lock();
        let has_room = state.taken() < self.sockets.0.limits.places;
        let Some(entry) = state.entries.get_mut(&self.id) else { return false };
        let is_promoted = entry.is_reserved && has_room;
        entry.is_reserved &= !is_promoted;
        // Until its credential is checked, the new request counts as unauthenticated.
        entry.tenant = None;
        let is_refused = entry.is_reserved && !is_health;
        state.reserved -= usize::from(is_promoted);
        state.rank(self.id, Rank::Unauthenticated);
        !is_refused
    }

    /// Notes that the running request is authenticated: the connection cannot be evicted until the answer is written.
    /// [`Fault::TooMany`] if the tenant's share of such connections is used up.
    pub fn authenticated(&self, tenant: TenantId) -> Result<(), Fault> {
        let limits = self.limits();
        let state = &mut *self.sockets.0.state.lock();
        let Some(entry) = state.entries.get(&self.id).filter(|entry| !entry.is_reserved && !entry.is_held) else {
            return Ok(());
        };
        debug_assert!(!entry.is_desk, "a desk is counted already");
        state.hold(tenant, limits)?;
        let Some(entry) = state.entries.get_mut(&self.id) else { return Ok(()) };
        (entry.tenant, entry.is_held) = (Some(tenant), true);
        if let Some(key) = entry.key.take() {
            state.evictable.remove(&key);
        }
        Ok(())
    }

    /// Notes that the answer was written. The connection can be evicted from then on.
    pub fn answered(&self) {
        let state = &mut *self.sockets.0.state.lock();
        let Some(entry) = state.entries.get_mut(&self.id).filter(|entry| !entry.is_desk) else { return };
        let rank = if entry.tenant.is_some() { Rank::Idle } else { Rank::Unauthenticated };
        if let (true, Some(tenant)) = (std::mem::take(&mut entry.is_held), entry.tenant) {
            state.release(tenant);
        }
        state.rank(self.id, rank);
    }

    /// Makes the connection a desk of a tenant, which cannot be evicted until it ends. [`Fault::TooMany`] if the
    /// tenant's share of such connections is used up, [`Fault::Unavailable`] if the connection was evicted already.
    pub fn become_desk(&self, tenant: TenantId) -> Result<(), Fault> {
        let limits = self.limits();
        let state = &mut *self.sockets.0.state.lock();
        let gone = || Fault::Unavailable("the connection is closed to make room");
        let entry = state.entries.get_mut(&self.id).filter(|entry| !entry.is_desk).ok_or_else(gone)?;
        // The request for the desk may be counted already; it becomes the desk and must not count twice.
        if let (true, Some(before)) = (std::mem::take(&mut entry.is_held), entry.tenant) {
            state.release(before);
        }
        state.hold(tenant, limits)?;
        let entry = state.entries.get_mut(&self.id).ok_or_else(gone)?;
        (entry.tenant, entry.is_desk, entry.is_held) = (Some(tenant), true, true);
        if let Some(key) = entry.key.take() {
            state.evictable.remove(&key);
        }
        Ok(())
    }

    fn limits(&self) -> Option<SocketLimits> {
        self.sockets.0.is_enforced.then_some(self.sockets.0.limits)
    }
}

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        // Returns None for an evicted connection, which was removed before.
        let _entry = self.sockets.0.state.lock().remove(self.id);
        self.sockets.0.left.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    const ACME: TenantId = TenantId(Uuid::from_u128(1));
    const OTHER: TenantId = TenantId(Uuid::from_u128(2));

    fn sockets(places: usize, reserved: usize) -> Sockets {
        Sockets::new(SocketLimits { places, reserved }, true)
    }

    fn is_cut(permit: &ConnectionPermit) -> bool {
        permit.cut().is_cancelled()
    }

    #[test]
    fn unauthenticated_connections_are_evicted_before_idle_ones_and_oldest_first() {
        let sockets = sockets(3, 1);
        let idle = sockets.admit();
        assert!(idle.request_started(false));
        idle.authenticated(ACME).unwrap();
        idle.answered();
        let (half, probe) = (sockets.admit(), sockets.admit());
        let first = sockets.admit();
        assert!(is_cut(&half) && !is_cut(&probe) && !is_cut(&idle));
        // A request makes a connection the newest of its rank.
        assert!(probe.request_started(true));
        let second = sockets.admit();
        assert!(is_cut(&first) && !is_cut(&probe));
        let busy = second;
        assert!(busy.request_started(false));
        busy.authenticated(ACME).unwrap();
        let third = sockets.admit();
        assert!(is_cut(&probe) && !is_cut(&idle));
        assert!(third.request_started(false));
        third.authenticated(OTHER).unwrap();
        let fourth = sockets.admit();
        assert!(is_cut(&idle) && !is_cut(&busy) && !is_cut(&third));
        drop((idle, half, probe, first, busy, third, fourth));
        assert!(sockets.is_empty());
    }

    #[test]
    fn reserved_places_serve_only_health_until_a_place_is_free() {
        let sockets = sockets(2, 1);
        let busy = [ACME, OTHER].map(|tenant| {
            let permit = sockets.admit();
            assert!(permit.request_started(false));
            permit.authenticated(tenant).unwrap();
            permit
        });
        let probe = sockets.admit();
        assert!(probe.request_started(true));
        probe.authenticated(ACME).unwrap();
        probe.answered();
        assert!(!probe.request_started(false), "only health probes");
        let next = sockets.admit();
        assert!(is_cut(&probe) && !busy.iter().any(is_cut));
        assert!(!probe.request_started(true), "it was evicted");
        drop(busy);
        assert!(next.request_started(false), "a place is free");
        drop((probe, next));
        assert!(sockets.is_empty());
        assert_eq!(sockets.0.state.lock().reserved, 0);
    }

    #[test]
    fn desks_of_a_tenant_leave_places_for_other_tenants() {
        let sockets = sockets(100, 1);
        let mut desks = Vec::new();
        let mut got = |tenant| {
            let taken = std::iter::from_fn(|| {
                let permit = sockets.admit();
                permit.become_desk(tenant).is_ok().then_some(permit)
            });
            let taken: Vec<_> = taken.collect();
            let count = taken.len();
            desks.extend(taken);
            count
        };
        assert_eq!((got(ACME), got(OTHER)), (50, 25));
        assert!(!desks.iter().any(is_cut));
        desks.clear();
        assert!(sockets.0.state.lock().held.is_empty() && sockets.is_empty());
    }

    #[test]
    fn running_requests_of_a_tenant_leave_places_for_other_tenants() {
        let sockets = sockets(100, 1);
        let mut busy = Vec::new();
        let mut got = |tenant| {
            let taken = std::iter::from_fn(|| {
                let permit = sockets.admit();
                assert!(permit.request_started(false));
                permit.authenticated(tenant).is_ok().then_some(permit)
            });
            let taken: Vec<_> = taken.collect();
            let count = taken.len();
            busy.extend(taken);
            count
        };
        assert_eq!((got(ACME), got(OTHER)), (50, 25));
        busy.clear();
        // A connection counts once, also after further requests and as a desk.
        let first = sockets.admit();
        for _ in 0..3 {
            first.answered();
            assert!(first.request_started(false));
            first.authenticated(ACME).unwrap();
            first.authenticated(ACME).unwrap();
        }
        first.become_desk(ACME).unwrap();
        assert_eq!(sockets.0.state.lock().all_held, 1);
        drop(first);
        assert!(sockets.0.state.lock().held.is_empty() && sockets.is_empty());
    }

    #[tokio::test]
    async fn connections_wait_for_a_place_without_the_budget() {
        let sockets = Sockets::new(SocketLimits { places: 1, reserved: 1 }, false);
        sockets.room().await;
        let first = sockets.admit();
        let moment = std::time::Duration::from_millis(20);
        assert!(tokio::time::timeout(moment, sockets.room()).await.is_err());
        assert!(!sockets.make_room() && !is_cut(&first));
        drop(first);
        sockets.room().await;
    }

    #[test]
    fn places_are_bounded_by_open_files() {
        let limits = SocketLimits::of(10_000);
        assert_eq!(limits.within_files(1_000_000), limits);
        let SocketLimits { places, reserved } = limits.within_files(1_024);
        assert_eq!((places, reserved), (832, 64));
        assert_eq!(SocketLimits::of(3).within_files(64), SocketLimits { places: 1, reserved: 1 });
    }
}

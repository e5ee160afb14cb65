//! Limits the connections: closes one to make room for the next, and reserves places for health probes.
//!
//! Accepting never stops. When every place is taken, another connection is closed: the longest idle one of the tenant or
//! network that has the most ([`super::holders`]). A connection with a running request of a tenant, or a persistent one, is never
//! closed for it. If there is no other, the new connection gets a reserved place, where only health probes are answered.

mod state;

use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::bytes::MemoryBudget;
use super::holders::Holder;
use super::throttle::network;
use crate::domain::{Fault, TenantId};
use state::State;

/// The limits on the number of connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SocketLimits {
    /// Connections at a time.
    pub places: usize,
    /// Further connections that are reserved for health probes.
    pub reserved: usize,
    /// Connections at a time with a long unfinished head.
    pub long_heads: usize,
}

impl SocketLimits {
    /// The usual number of reserved places.
    const RESERVED: usize = 64;

    /// Returns the limits for a number of connections and a memory budget.
    pub const fn of(places: usize, memory: MemoryBudget) -> Self {
        SocketLimits { places, reserved: SocketLimits::RESERVED, long_heads: memory.long_heads() }
    }

    /// Lowers the limits to fit the process's limit on open files.
    pub fn within_files(self, files: usize) -> Self {
        // Files of the store and the rest of the process.
        const OTHER_FILES: usize = 128;
        let usable = files.saturating_sub(OTHER_FILES);
        let reserved = self.reserved.min(usable / 8).max(1);
        SocketLimits { places: self.places.min(usable.saturating_sub(reserved)).max(1), reserved, ..self }
    }
}

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

/// One connection's place, released when dropped.
#[derive(Debug)]
pub struct ConnectionPermit {
    sockets: Sockets,
    id: u64,
    cut: CancellationToken,
}

impl Sockets {
    /// Makes an empty set. If the limits are not enforced, new connections wait for a place, and none is closed.
    pub fn new(limits: SocketLimits, is_enforced: bool) -> Self {
        Sockets(Arc::new(Inner { limits, is_enforced, state: Mutex::default(), left: Notify::new() }))
    }

    /// Waits for a free place if the limits are not enforced. Otherwise returns at once, since another makes room.
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

    /// Gives a new connection from an address a place. Closes another connection if all are taken.
    pub fn admit(&self, address: IpAddr) -> ConnectionPermit {
        let mut state = self.0.state.lock();
        let is_full = self.0.is_enforced && state.holders.len() >= self.0.limits.places;
        // A reserved place is used only if no connection can be closed.
        let is_reserved = is_full && !state.close_one();
        if is_reserved && state.reserved.len() >= self.0.limits.reserved {
            state.close_reserved();
        }
        let (id, cut) = state.add(Holder::Network(network(address)), is_reserved);
        drop(state);
        ConnectionPermit { sockets: self.clone(), id, cut }
    }

    /// Closes one connection when the process has no more open files. Returns false if none can be closed.
    pub fn make_room(&self) -> bool {
        let mut state = self.0.state.lock();
        self.0.is_enforced && (state.close_one() || state.close_reserved())
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

impl ConnectionPermit {
    /// Returns the token that is cancelled when the connection must be closed at once to make room.
    pub fn cut(&self) -> &CancellationToken {
        &self.cut
    }

    /// Notes that the unfinished head became long. If too many are, the oldest of the holder with the most is closed.
    pub fn head_is_long(&self) {
        let mut state = self.sockets.0.state.lock();
        state.begin_long_head(self.id);
        if self.limits().is_some_and(|limits| state.long_heads.len() > limits.long_heads)
            && let Some(victim) = state.long_heads.victim()
        {
            state.close(victim);
        }
    }

    /// Notes that a head was received to its end: that of a handshake, or of a request.
    pub fn head_ended(&self) {
        self.sockets.0.state.lock().end_head(self.id);
    }

    /// Notes that a request's head was received, of HTTP/2 maybe beside other requests. Returns false if it must be
    /// rejected: a connection in a reserved place serves only health probes, unless it can move to a place that has
    /// become free.
    pub fn request_started(&self, is_health: bool) -> bool {
        let mut state = self.sockets.0.state.lock();
        state.end_head(self.id);
        let has_room = state.holders.len() < self.sockets.0.limits.places;
        let Some(entry) = state.entries.get(&self.id) else { return false };
        let (is_reserved, is_held) = (entry.is_reserved && !has_room, entry.held_by.is_some());
        if entry.is_reserved && has_room {
            state.promote(self.id);
        }
        // Until its credential is checked, the connection can be closed, unless an authenticated request runs beside it.
        if !is_held {
            state.allow(self.id);
        }
        is_health || !is_reserved
    }

    /// Notes that the running request is authenticated: the connection cannot be closed until the answer is written.
    /// [`Fault::TooMany`] if the tenant's share of such connections is used up.
    pub fn authenticated(&self, tenant: TenantId) -> Result<(), Fault> {
        let mut state = self.sockets.0.state.lock();
        let entry = state.entries.get(&self.id).filter(|entry| !entry.is_reserved && entry.held_by.is_none());
        let Some(entry) = entry else { return Ok(()) };
        debug_assert!(!entry.is_persistent, "a persistent connection is counted already");
        state.hold(tenant, self.limits())?;
        state.give(self.id, tenant);
        Ok(())
    }

    /// Notes that the answer was written. The connection can be closed from then on. Returns false for a
    /// persistent connection.
    pub fn answered(&self) -> bool {
        let mut state = self.sockets.0.state.lock();
        let Some(entry) = state.entries.get_mut(&self.id).filter(|entry| !entry.is_persistent) else { return false };
        if let Some(tenant) = entry.held_by.take() {
            state.release(tenant);
        }
        state.allow(self.id);
        true
    }

    /// Makes the connection a persistent one of a tenant, such as a desk, which cannot be closed until it ends. [`Fault::TooMany`] if the
    /// tenant's share of such connections is used up, [`Fault::Unavailable`] if the connection was closed already.
    pub fn become_persistent(&self, tenant: TenantId) -> Result<(), Fault> {
        let mut state = self.sockets.0.state.lock();
        let gone = Fault::Unavailable("the connection is closed to make room");
        let entry = state.entries.get_mut(&self.id).filter(|entry| !entry.is_persistent).ok_or(gone)?;
        // The request that opened it may be counted already, and must not count twice.
        if let Some(before) = entry.held_by.take() {
            state.release(before);
        }
        state.hold(tenant, self.limits())?;
        state.give(self.id, tenant);
        if let Some(entry) = state.entries.get_mut(&self.id) {
            entry.is_persistent = true;
        }
        Ok(())
    }

    fn limits(&self) -> Option<SocketLimits> {
        self.sockets.0.is_enforced.then_some(self.sockets.0.limits)
    }
}

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        // Returns None for a closed connection, which was removed before.
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
    const HOME: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
    const ELSEWHERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

    fn sockets(places: usize, reserved: usize) -> Sockets {
        Sockets::new(SocketLimits { places, reserved, long_heads: 2 }, true)
    }

    fn is_cut(permit: &ConnectionPermit) -> bool {
        permit.cut().is_cancelled()
    }

    /// A connection that is idle after a request of a tenant.
    fn idle(sockets: &Sockets, tenant: TenantId) -> ConnectionPermit {
        let permit = sockets.admit(HOME);
        assert!(permit.request_started(false));
        permit.authenticated(tenant).unwrap();
        assert!(permit.answered());
        permit
    }

    #[test]
    fn the_longest_idle_connection_makes_room_and_never_a_busy_one() {
        let sockets = sockets(3, 1);
        let idle = idle(&sockets, ACME);
        let (half, probe) = (sockets.admit(HOME), sockets.admit(HOME));
        let first = sockets.admit(HOME);
        assert!(is_cut(&half) && !is_cut(&probe) && !is_cut(&idle), "the network holds more than the tenant");
        // A request makes a connection the newest of its holder.
        assert!(probe.request_started(true));
        let busy = sockets.admit(HOME);
        assert!(is_cut(&first) && !is_cut(&probe));
        assert!(busy.request_started(false));
        busy.authenticated(OTHER).unwrap();
        let next = sockets.admit(HOME);
        assert!(is_cut(&idle) && !is_cut(&probe), "one that may be about to send a request stays");
        assert!(next.request_started(false));
        next.authenticated(OTHER).unwrap();
        let last = sockets.admit(HOME);
        assert!(is_cut(&probe) && !is_cut(&busy) && !is_cut(&next));
        drop((idle, half, probe, first, busy, next, last));
        assert!(sockets.is_empty());
    }

    #[test]
    fn a_flood_of_idle_connections_closes_its_own() {
        let sockets = sockets(100, 1);
        let few: Vec<_> = (0..10).map(|_| idle(&sockets, OTHER)).collect();
        let silent = sockets.admit(ELSEWHERE);
        let flood: Vec<_> = (0..300).map(|_| idle(&sockets, ACME)).collect();
        assert!(!few.iter().any(is_cut) && !is_cut(&silent));
        assert_eq!(flood.iter().filter(|permit| !is_cut(permit)).count(), 89);
        assert!(!flood[211..].iter().any(is_cut), "its newest stay");
        // A new request counts for the tenant until it has another credential.
        assert!(flood[211].request_started(false) && flood[212].request_started(false));
        flood[212].authenticated(OTHER).unwrap();
        let _next = sockets.admit(ELSEWHERE);
        assert!(is_cut(&flood[213]) && !is_cut(&flood[211]) && !is_cut(&silent));
    }

    #[test]
    fn a_flood_from_one_network_closes_its_own() {
        let sockets = sockets(20, 1);
        let (silent, idle) = (sockets.admit(ELSEWHERE), idle(&sockets, ACME));
        let flood: Vec<_> = (0..100).map(|_| sockets.admit(HOME)).collect();
        assert!(!is_cut(&silent) && !is_cut(&idle));
        assert_eq!(flood.iter().filter(|permit| !is_cut(permit)).count(), 18);
    }

    #[test]
    fn long_unfinished_heads_are_limited_in_number() {
        let sockets = sockets(100, 1);
        let [first, second, third] = [ELSEWHERE, HOME, HOME].map(|address| sockets.admit(address));
        for _ in 0..3 {
            first.head_is_long();
            second.head_is_long();
        }
        third.head_is_long();
        assert!(is_cut(&second) && !is_cut(&first) && !is_cut(&third), "the oldest of the network with the most");
        assert!(third.request_started(false));
        let fourth = sockets.admit(HOME);
        fourth.head_is_long();
        assert!(!is_cut(&fourth));
        fourth.head_ended();
        drop((first, second, third, fourth));
        let state = sockets.0.state.lock();
        assert!(state.long_heads.is_empty() && state.holders.is_empty() && state.reserved.is_empty());
    }

    #[test]
    fn reserved_places_serve_only_health_until_a_place_is_free() {
        let sockets = sockets(2, 1);
        let busy = [ACME, OTHER].map(|tenant| {
            let permit = sockets.admit(HOME);
            assert!(permit.request_started(false));
            permit.authenticated(tenant).unwrap();
            permit
        });
        let probe = sockets.admit(HOME);
        assert!(probe.request_started(true));
        probe.authenticated(ACME).unwrap();
        probe.answered();
        assert!(!probe.request_started(false), "only health probes");
        let next = sockets.admit(HOME);
        assert!(is_cut(&probe) && !busy.iter().any(is_cut));
        assert!(!probe.request_started(true), "it was evicted");
        drop(busy);
        assert!(next.request_started(false), "a place is free");
        drop((probe, next));
        assert!(sockets.is_empty());
        assert!(sockets.0.state.lock().reserved.is_empty());
    }

    #[test]
    fn a_request_beside_an_authenticated_one_cannot_close_it() {
        let sockets = sockets(1, 1);
        let busy = sockets.admit(HOME);
        assert!(busy.request_started(false));
        busy.authenticated(ACME).unwrap();
        assert!(busy.request_started(false));
        let reserved = sockets.admit(HOME);
        assert!(!is_cut(&busy) && !reserved.request_started(false));
        assert!(busy.answered());
        let _next = sockets.admit(HOME);
        assert!(is_cut(&busy), "it is idle");
    }

    #[test]
    fn desks_of_a_tenant_leave_places_for_other_tenants() {
        let sockets = sockets(100, 1);
        let mut desks = Vec::new();
        let mut got = |tenant| {
            let taken = std::iter::from_fn(|| {
                let permit = sockets.admit(HOME);
                permit.become_persistent(tenant).is_ok().then_some(permit)
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
                let permit = sockets.admit(HOME);
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
        let first = sockets.admit(HOME);
        for _ in 0..3 {
            first.answered();
            assert!(first.request_started(false));
            first.authenticated(ACME).unwrap();
            first.authenticated(ACME).unwrap();
        }
        first.become_persistent(ACME).unwrap();
        assert_eq!(sockets.0.state.lock().all_held, 1);
        drop(first);
        assert!(sockets.0.state.lock().held.is_empty() && sockets.is_empty());
    }

    #[tokio::test]
    async fn connections_wait_for_a_place_without_the_budget() {
        let sockets = Sockets::new(SocketLimits { places: 1, reserved: 1, long_heads: 1 }, false);
        sockets.room().await;
        let first = sockets.admit(HOME);
        let moment = std::time::Duration::from_millis(20);
        assert!(tokio::time::timeout(moment, sockets.room()).await.is_err());
        assert!(!sockets.make_room() && !is_cut(&first));
        drop(first);
        sockets.room().await;
    }

    #[test]
    fn places_are_bounded_by_open_files() {
        let limits = SocketLimits::of(10_000, MemoryBudget::default());
        assert_eq!(limits.within_files(1_000_000), limits);
        let SocketLimits { places, reserved, long_heads } = limits.within_files(1_024);
        assert_eq!((places, reserved, long_heads), (832, 64, 1_024));
        let few = SocketLimits::of(3, MemoryBudget::of_mib(512)).within_files(64);
        assert_eq!(few, SocketLimits { places: 1, reserved: 1, long_heads: 512 });
    }
}

//! The request under way: its peer, its owner, and the permits it holds until it is answered.
//!
//! It is among the extensions of the request, since what it holds must outlive the authentication and end with the
//! request, however the request ends.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::FromRequestParts;

use axum::http::Extensions;
use axum::http::request::Parts;
use parking_lot::Mutex;

use super::connection::Connection;
use super::extract::Peer;
use crate::domain::{Fault, TenantId};
use crate::limits::{ByteBudget, BytePermit, Owner, TenantPermit};

/// The state of one request. Clones share it.
#[derive(Clone, Debug)]
pub struct RequestContext(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    peer: Peer,
    connection: Option<Connection>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    owner: Owner,
    permit: Option<TenantPermit>,
    body: Option<BytePermit>,
}

impl RequestContext {
    /// The context of a request that has just arrived: unauthenticated, without permits.
    pub fn new(extensions: &Extensions) -> Self {
        let state = Mutex::new(State { owner: Owner::Unauthenticated, permit: None, body: None });
        RequestContext(Arc::new(Inner { peer: Peer::of(extensions), connection: Connection::of(extensions), state }))
    }

    /// The context among the extensions of a request; a new one if the request did not pass the layer that adds it.
    pub fn of(extensions: &Extensions) -> Self {
        extensions.get().cloned().unwrap_or_else(|| RequestContext::new(extensions))
    }

    /// The address that the request came from.
    pub fn peer(&self) -> Peer {
        self.0.peer
    }

    /// The connection that the request came over; `None` if it did not pass the accept loop.
    pub fn connection(&self) -> Option<&Connection> {
        self.0.connection.as_ref()
    }

    /// The owner that the request's bytes are counted against.
    pub fn owner(&self) -> Owner {
        self.0.state.lock().owner
    }

    /// Records that the administrator is the owner.
    pub fn administrator(&self) {
        self.0.state.lock().owner = Owner::Administrator;
    }

    /// Records the tenant as the owner and takes a permit among the tenant's requests, unless the request has one: it
    /// counts once, however often its handler authenticates.
    pub fn authenticated(
        &self,
        tenant: TenantId,
        enter: impl FnOnce() -> Result<TenantPermit, Fault>,
    ) -> Result<(), Fault> {
        let mut state = self.0.state.lock();
        state.owner = Owner::Tenant(tenant);
        if state.permit.is_none() {
            state.permit = Some(enter()?);
            if let Some(connection) = self.connection() {
                connection.authenticated(tenant)?;
            }
        }
        Ok(())
    }

    /// Takes arrived bytes of the body from the budget, on the account of the owner known when its first bytes arrive.
    pub fn take_body(&self, budget: &ByteBudget, bytes: usize) -> Result<(), Fault> {
        let state = &mut *self.0.state.lock();
        match &mut state.body {
            Some(permit) => permit.grow(bytes),
            None => {
                state.body = Some(budget.take(state.owner, bytes)?);
                Ok(())
            }
        }
    }

    /// Returns the body's bytes to the budget, once the handler no longer needs them.
    pub fn release_body(&self) {
        drop(self.0.state.lock().body.take());
    }

    /// Takes out the permit among the tenant's requests, to be held until the response is written.
    pub fn take_permit(&self) -> Option<TenantPermit> {
        self.0.state.lock().permit.take()
    }
}

impl<S: Sync> FromRequestParts<S> for RequestContext {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(RequestContext::of(&parts.extensions))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::domain::Time;
    use crate::limits::{TenantBudgets, TenantLimits};

    #[test]
    fn a_request_has_one_permit_until_it_is_over() {
        let limits = TenantLimits { rate: 0, events: 0, at_a_time: 1 };
        let tenants = TenantBudgets::new(limits, &Clock::manual(Time::from_micros(0)));
        let tenant = TenantId(uuid::Uuid::nil());
        let enter = |request: &RequestContext| request.authenticated(tenant, || tenants.enter(tenant));
        let request = || RequestContext::new(&Extensions::new());
        let first = request();
        assert_eq!((enter(&first), enter(&first)), (Ok(()), Ok(())));
        assert_eq!(first.owner(), Owner::Tenant(tenant));
        assert!(enter(&request()).is_err());
        // The permit outlives the request: the response holds it.
        let permit = first.take_permit();
        drop(first);
        assert!(enter(&request()).is_err());
        drop(permit);
        // A cancelled request drops its extensions, and with them its permit.
        let mut extensions = Extensions::new();
        extensions.insert(request());
        assert_eq!(enter(&RequestContext::of(&extensions)), Ok(()));
        assert!(enter(&request()).is_err());
        drop(extensions);
        assert_eq!(enter(&request()), Ok(()));
    }

    #[test]
    fn bodies_are_counted_against_the_owner_known_on_arrival() {
        let (budget, request) = (ByteBudget::new(1_600), RequestContext::new(&Extensions::new()));
        assert_eq!(request.take_body(&budget, 60), Ok(()));
        assert!(request.take_body(&budget, 60).is_err(), "the share of unauthenticated callers");
        assert_eq!(budget.held(), 60);
        request.release_body();
        assert_eq!(budget.held(), 0);
    }
}

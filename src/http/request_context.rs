//! The request under way: where it came from, on whose account it is, and what it holds until it is answered.
//!
//! Handlers authenticate in the middle of their work, each dialect in its own way. The result has to outlive that call
//! and to end with the request however that ends, so it belongs to the request's own future.

use std::future::Future;
use std::sync::Arc;

use axum::http::Extensions;
use parking_lot::Mutex;

use super::connection::Connection;
use super::extract::Peer;
use crate::domain::{Fault, TenantId};
use crate::limits::{ByteBudget, BytePermit, Owner, TenantPermit};

tokio::task_local! {
    static CURRENT: RequestContext;
}

/// One request. A clone is another handle to the same.
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
    /// A request that has just come.
    pub fn new(extensions: &Extensions) -> Self {
        let state = Mutex::new(State { owner: Owner::Unauthenticated, permit: None, body: None });
        RequestContext(Arc::new(Inner { peer: Peer::of(extensions), connection: Connection::of(extensions), state }))
    }

    /// Runs a handler as this request's.
    pub async fn scope<F: Future>(&self, answering: F) -> F::Output {
        CURRENT.scope(self.clone(), answering).await
    }

    /// The request that the running task answers; none outside of one.
    pub fn current() -> Option<Self> {
        CURRENT.try_with(Clone::clone).ok()
    }

    /// Where the request came from.
    pub fn peer(&self) -> Peer {
        self.0.peer
    }

    /// The connection it came over; none if it came by another way.
    pub fn connection(&self) -> Option<&Connection> {
        self.0.connection.as_ref()
    }

    /// On whose account it is.
    pub fn owner(&self) -> Owner {
        self.0.state.lock().owner
    }

    /// Records that the administrator sent it.
    pub fn administrator(&self) {
        self.0.state.lock().owner = Owner::Administrator;
    }

    /// Records whose it is, and takes a permit among the requests of the tenant unless it has one: however often a
    /// handler authenticates, the request counts once.
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
                connection.permit().authenticated(tenant)?;
            }
        }
        Ok(())
    }

    /// Takes bytes of the body that has arrived from the budget, on the account known by now.
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

    /// Gives back what the body took: the handler is done with it.
    pub fn release_body(&self) {
        drop(self.0.state.lock().body.take());
    }

    /// The permit among the requests of the tenant, to be kept until the answer was written.
    pub fn take_permit(&self) -> Option<TenantPermit> {
        self.0.state.lock().permit.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::domain::Time;
    use crate::limits::{TenantBudgets, TenantLimits};

    #[tokio::test]
    async fn a_request_has_one_permit_until_it_is_over() {
        let limits = TenantLimits { rate: 0, events: 0, at_a_time: 1 };
        let tenants = TenantBudgets::new(limits, &Clock::manual(Time::from_micros(0)));
        let tenant = TenantId(uuid::Uuid::nil());
        let enter = || RequestContext::current().unwrap().authenticated(tenant, || tenants.enter(tenant));
        let request = || RequestContext::new(&Extensions::new());
        let first = request();
        first.scope(async { assert_eq!((enter(), enter()), (Ok(()), Ok(()))) }).await;
        assert_eq!(first.owner(), Owner::Tenant(tenant));
        assert!(request().scope(async { enter() }).await.is_err());
        // The answer keeps it.
        let permit = first.take_permit();
        drop(first);
        assert!(request().scope(async { enter() }).await.is_err());
        drop(permit);
        assert_eq!(request().scope(async { enter() }).await, Ok(()));
        // A request that is given up returns it as well.
        let given_up = request();
        let forever = given_up.scope(async {
            enter().unwrap();
            std::future::pending::<()>().await;
        });
        let _given_up = tokio::time::timeout(std::time::Duration::from_millis(1), forever).await;
        drop(given_up);
        assert_eq!(request().scope(async { enter() }).await, Ok(()));
    }

    #[test]
    fn bodies_are_on_the_account_known_when_they_arrive() {
        let (budget, request) = (ByteBudget::new(1_600), RequestContext::new(&Extensions::new()));
        assert_eq!(request.take_body(&budget, 60), Ok(()));
        assert!(request.take_body(&budget, 60).is_err(), "the share of unauthenticated callers");
        assert_eq!(budget.held(), 60);
        request.release_body();
        assert_eq!(budget.held(), 0);
    }
}

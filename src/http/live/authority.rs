//! The right by which live operations run. It is a part of the key under which executions are shared: two operations with
//! different rights never share an answer.

use std::time::Duration;

use crate::auth::{Authorized, Caller, GraphqlRead, Link};
use crate::domain::{Fault, TenantId};
use crate::http::state::AppState;

/// The longest time between two checks. Revocations are announced at once, but the end of a link, and of a user or a
/// password, is not.
pub const CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// An authority by which operations run: it is checked at intervals, and before something is sent.
#[derive(Debug)]
pub struct CheckedAuthority {
    authority: Authority,
    /// Monotonic time of the next check.
    next: Duration,
}

/// The end of an authority.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It was revoked or has expired.
    Revoked,
    /// The rights of its holder have changed.
    Changed,
}

/// The right by which the operations of one connection run.
///
/// Each kind says which roots it may subscribe to, and whether it may send queries. A kind that may subscribe to one root
/// only, and send no queries, is added here: nothing else decides it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Authority {
    /// The caller of a key, a token or a ticket, with the scope `graphql:read`.
    Caller(Authorized<GraphqlRead>),
    /// A link to a wallboard.
    Link(Link),
}

impl Authority {
    /// Checks that a caller may read; [`Fault::Forbidden`] if not.
    pub fn of(caller: Caller) -> Result<Self, Fault> {
        Ok(Authority::Caller(caller.authorize()?))
    }

    /// The one tenant that it is for.
    pub fn tenant(&self) -> TenantId {
        match self {
            Authority::Caller(caller) => caller.tenant(),
            Authority::Link(link) => link.tenant(),
        }
    }

    /// Returns the caller whose queries are answered; `None` if only subscriptions are.
    pub fn querying(&self) -> Option<Authorized<GraphqlRead>> {
        match self {
            Authority::Caller(caller) => Some(*caller),
            Authority::Link(_) => None,
        }
    }

    /// Returns true if it may subscribe to a root.
    pub fn allows(&self, root: &str) -> bool {
        match self {
            Authority::Caller(_) => root == "live",
            Authority::Link(_) => root == "board",
        }
    }

    /// Checks it again during an operation. An error if it was revoked, or has changed: operations run by the former one.
    /// What cannot be checked now is checked again later.
    fn check(&self, app: &AppState) -> Result<(), Ended> {
        match self.revalidate(app) {
            Ok(now) if now == *self => Ok(()),
            Ok(_) => Err(Ended::Changed),
            Err(Fault::CredentialMissing | Fault::CredentialInvalid | Fault::Forbidden) => Err(Ended::Revoked),
            Err(_) => Ok(()),
        }
    }

    /// Checks it again. [`Fault::CredentialInvalid`] or [`Fault::Forbidden`] if it was revoked; another fault is
    /// temporary.
    pub fn revalidate(&self, app: &AppState) -> Result<Self, Fault> {
        match self {
            Authority::Caller(caller) => app.revalidate(caller).map(Authority::Caller),
            Authority::Link(link) => app.revalidate_link(link).map(Authority::Link),
        }
    }
}

impl CheckedAuthority {
    /// Wraps an authority. The first check is due at the monotonic time `next`.
    pub const fn new(authority: Authority, next: Duration) -> Self {
        CheckedAuthority { authority, next }
    }

    /// The authority.
    pub const fn authority(&self) -> Authority {
        self.authority
    }

    /// The one tenant that it is for.
    pub fn tenant(&self) -> TenantId {
        self.authority.tenant()
    }

    /// Returns the monotonic time at which the next check is due.
    pub const fn due(&self) -> Duration {
        self.next
    }

    /// Checks it as [`Authority::check`].
    pub fn check(&self, app: &AppState) -> Result<(), Ended> {
        self.authority.check(app)
    }

    /// Checks it if that is due.
    pub fn check_if_due(&mut self, app: &AppState) -> Result<(), Ended> {
        let now = app.clock().monotonic();
        if now < self.next {
            return Ok(());
        }
        self.next = now + CHECK_INTERVAL;
        self.check(app)
    }
}

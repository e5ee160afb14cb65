//! The read path of handlers: one immutable view per request, with its staleness.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use uuid::Uuid;

use super::following::Links;
use super::health::Health;
use super::tenants::Captures;
use super::views::Views;
use crate::clock::Clock;
use crate::domain::directory::{Document, Problem};
use crate::domain::{Fault, RoleGrant, TenantId, Time};
use crate::live::directory::Upsert;
use crate::live::{State, View};

/// The longest wait of a read for its requested position.
const READ_TIMEOUT: Duration = Duration::from_millis(250);
/// The longest wait for a copy of a state.
const STATE_TIMEOUT: Duration = Duration::from_secs(10);

/// The data that one request reads. Every number in its answer comes from this one view, so that they agree.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// The tenant at one position.
    pub view: Arc<View>,
    /// Milliseconds since the store last confirmed that this is the newest state.
    pub staleness_ms: u64,
}

impl Snapshot {
    /// Returns true if the state may be used for routing: confirmed within `max_ms`.
    pub fn is_current(&self, max_ms: u64) -> bool {
        self.staleness_ms <= max_ms
    }

    /// Returns the time of an answer from the state: `now`, and never earlier than what was recorded last.
    pub fn time(&self, now: Time) -> Time {
        now.max(self.view.recorded())
    }

    /// Applies the document, which may give the roles of `roles`, to a copy of the directory and returns the problems
    /// found. Long documents take milliseconds: call it for them outside of the threads that answer requests.
    pub fn try_document(&self, document: &Document, roles: RoleGrant) -> Result<(), Vec<Problem>> {
        let mut upsert = Upsert::new(self.view.directory(), Time::NEVER, roles);
        let mut steps = usize::MAX;
        while !upsert.advance(document, &mut steps) {}
        upsert.finish().map(|_| ())
    }
}

/// A cloneable handle to the published views of all tenants.
#[derive(Clone, Debug)]
pub struct Reader {
    views: Arc<Views>,
    health: Arc<Health>,
    captures: Arc<Captures>,
    clock: Clock,
    replica: Uuid,
    links: Links,
}

/// The parts of a [`Reader`].
pub(super) struct ReaderParts {
    pub views: Arc<Views>,
    pub health: Arc<Health>,
    pub captures: Arc<Captures>,
    pub clock: Clock,
    pub replica: Uuid,
    pub links: Links,
}

impl Reader {
    /// The id of this server, made at its start.
    pub fn replica(&self) -> Uuid {
        self.replica
    }

    pub(super) fn new(parts: ReaderParts) -> Self {
        let ReaderParts { views, health, captures, clock, replica, links } = parts;
        Reader { views, health, captures, clock, replica, links }
    }

    /// Returns the tenant's newest view. Never waits. [`Fault::Unavailable`] if the tenant is out of service, or if
    /// another server has the store; [`Fault::CredentialInvalid`] if the tenant was deleted.
    pub fn snapshot(&self, tenant: TenantId) -> Result<Snapshot, Fault> {
        let view = self.views.tenant(tenant).view();
        // Checked after the view is taken: a tenant that went out of service before has an empty view, with zeros.
        self.views.reject_absent(tenant)?;
        self.health.reject_if_taken()?;
        let staleness_ms = self.health.staleness_of(tenant, view.position());
        Ok(Snapshot { view, staleness_ms })
    }

    /// Returns the tenant's view at `position` or later, waiting up to 250 ms for it. If the state is not there yet, its head
    /// is looked at at once: another server may have appended the entries. One look answers all requests of a tenant that
    /// wait for it.
    ///
    /// [`Fault::Unavailable`] if the position is not reached in that time, or the tenant is out of service.
    pub async fn snapshot_at(&self, tenant: TenantId, position: u64) -> Result<Snapshot, Fault> {
        let mut positions = self.views.tenant(tenant).positions();
        if *positions.borrow() < position {
            self.links.look_at(tenant);
        }
        tokio::select! {
            // A position that is reached already is found before the timer is looked at.
            biased;
            // The channel closes when the tenant goes out of service, which the snapshot then says.
            _ = positions.wait_for(|now| *now >= position) => self.snapshot(tenant),
            () = self.clock.sleep(READ_TIMEOUT) => Err(Fault::Unavailable("the position asked for was not reached")),
        }
    }

    /// Returns a receiver of the tenant's position, which changes once the view at the new position can be read. It is
    /// closed when the tenant goes out of service or is deleted.
    pub fn positions(&self, tenant: TenantId) -> watch::Receiver<u64> {
        self.views.tenant(tenant).positions()
    }

    /// Decides by the tenant's newest state. A refusal counts only once the state is at the head of its journal, since
    /// another server may have appended what it lacks: if it was behind, `decide` is called again with the newer one.
    ///
    /// [`Fault::Unavailable`] if the tenant is out of service, or the decision is a refusal and the head cannot be read.
    pub async fn decide<T, E: From<Fault>>(
        &self,
        tenant: TenantId,
        decide: impl Fn(&Snapshot) -> Result<T, E>,
    ) -> Result<T, E> {
        let snapshot = self.snapshot(tenant)?;
        match decide(&snapshot) {
            Err(_) if self.catch_up(tenant, snapshot.view.position()).await? => decide(&self.snapshot(tenant)?),
            decided => decided,
        }
    }

    /// Brings the tenant's view to the head of its journal, where other servers append as well. Returns true if it is beyond
    /// position `from` then: what a view at `from` lacks may be there now.
    ///
    /// [`Fault::Unavailable`] if the head cannot be read, or is not reached in time.
    pub async fn catch_up(&self, tenant: TenantId, from: u64) -> Result<bool, Fault> {
        self.links.catch_up(&self.views, tenant, from).await
    }

    /// Returns a copy of the tenant's whole state, at the position of its newest view or a later one. The engine makes it
    /// within a turn, or after the document that it applies. `None` if the tenant has no entry yet, or is not served.
    ///
    /// [`Fault::Unavailable`] after 10 s: the engine waits for the store, or has ended.
    pub async fn state(&self, tenant: TenantId) -> Result<Option<State>, Fault> {
        let late = |_| Fault::Unavailable("the state cannot be copied now");
        tokio::time::timeout(STATE_TIMEOUT, self.captures.state(tenant)).await.map_err(late)
    }

    /// Returns the reason why the tenant is out of service and has no view to read; `None` if it is served or was deleted.
    pub fn out_of_service(&self, tenant: TenantId) -> Option<&'static str> {
        self.views.out_of_service(tenant)
    }

    /// Returns the engine's health.
    pub fn health(&self) -> &Health {
        &self.health
    }

    /// Returns the newest view of every tenant in service that was loaded, written or read since the start.
    pub fn all(&self) -> Vec<(TenantId, Arc<View>)> {
        self.views.all()
    }
}

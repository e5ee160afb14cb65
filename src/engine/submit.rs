//! The write path of handlers: heartbeats renew leases directly, all other events go through the queue.

use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

use metrics::gauge;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::finality;
use super::following::Links;
use super::health::{Health, Ownership};
use super::heartbeats::EventRoles;
use super::leases::{BatchNumber, Heartbeat, HeldSession, LeaseTable};
use super::queue::{FairQueue, Item};
use super::request::{PendingRequest, Receipt};
use super::tenants::Removals;
use super::views::Views;
use crate::clock::Clock;
use crate::domain::event::Rejection;
use crate::domain::{Event, EventBody, Fault, Outcome, TenantId};
use crate::journal::Draft;
use crate::store::{Incarnation, TenantReads};

/// The longest wait for durability: a caller gets its answer within one second, of which 100 ms are left for the
/// response. Each MiB or thousand events of a request add as much again, as long as the store is reachable.
const COMMIT_TIMEOUT: Duration = Duration::from_millis(900);
/// Bytes that an event takes in the queue besides its JSON.
const EVENT_BYTES: usize = 256;

/// A cloneable handle for submitting events.
#[derive(Clone, Debug)]
pub struct Submitter(Arc<SubmitterParts>);

/// The dependencies of a [`Submitter`].
#[derive(Debug)]
pub(super) struct SubmitterParts {
    pub queue: Arc<FairQueue>,
    pub views: Arc<Views>,
    pub removals: Arc<Removals>,
    pub leases: Arc<LeaseTable>,
    pub links: Links,
    pub reads: TenantReads,
    pub clock: Clock,
    pub health: Arc<Health>,
}

impl Submitter {
    pub(super) fn new(parts: SubmitterParts) -> Self {
        Submitter(Arc::new(parts))
    }

    /// Makes the events durable and visible, in order, and returns one outcome each. Up to 256 events of up to 1 MiB in
    /// all are committed as a whole or not at all; of a longer request a prefix may be committed.
    ///
    /// [`Fault::Unavailable`] when the tenant's share of the queue is used up, the store is unavailable or the tenant
    /// is out of service. The outcome is unknown then, and the same events may be sent again.
    /// [`Fault::CredentialInvalid`] if the tenant was deleted.
    pub async fn commit(&self, tenant: TenantId, events: Vec<Event>) -> Result<Receipt, Fault> {
        self.commit_received(tenant, events, self.0.clock.monotonic()).await
    }

    /// Works as [`Submitter::commit`] for events received at an earlier monotonic time, from which their leases run.
    pub async fn commit_received(
        &self,
        tenant: TenantId,
        events: Vec<Event>,
        received: Duration,
    ) -> Result<Receipt, Fault> {
        self.0.views.reject_absent(tenant)?;
        // Without events as well: all of them may have been rejected for a time that is ahead of a wrong clock.
        if self.0.clock.is_unsettled() {
            return Err(Fault::Unavailable("the wall clock and the database's clock differ"));
        }
        let away = self.0.health.is_away();
        // A lease may be another server's by now. While the store is away the heartbeats that are refused do not count
        // as silence.
        if self.0.health.ownership() != Ownership::Held && events.iter().any(Event::is_heartbeat) {
            return Err(Fault::Unavailable("the store's lock is not held"));
        }
        // A request without events is answered from the view, but rejected while the store is unavailable.
        if !events.iter().any(Event::is_heartbeat) && (!events.is_empty() || away) {
            return self.append(tenant, events, received).await;
        }
        // Leases are renewed first, so that they do not expire while the other events wait in the queue.
        let position = self.0.views.tenant(tenant).view().position();
        let (mut roles, mut batch) = self.renew_all(tenant, &events, received);
        // Another server may have opened the session, or added the user.
        if roles.has_rejected() && self.0.links.catch_up(&self.0.views, tenant, position).await? {
            (roles, batch) = self.renew_all(tenant, &events, received);
        }
        let journalled: Vec<Event> = events.into_iter().filter(|event| !event.is_heartbeat()).collect();
        let writing = async {
            match batch {
                Some(batch) => self.0.leases.until_written(batch).await,
                None => true,
            }
        };
        let appending = async {
            match journalled.is_empty() {
                true => Ok(Receipt { position: self.0.views.tenant(tenant).view().position(), ..Receipt::default() }),
                false => self.append(tenant, journalled, received).await,
            }
        };
        let (is_written, receipt) = tokio::join!(writing, appending);
        if !is_written {
            return Err(Fault::Unavailable("the heartbeats could not be written in time"));
        }
        Ok(roles.merge(receipt?, &self.0.views.tenant(tenant).view()))
    }

    /// Renews the leases of a request's heartbeats. Returns the outcomes, and the batch that they are written with, if any
    /// has to be.
    fn renew_all(&self, tenant: TenantId, events: &[Event], received: Duration) -> (EventRoles, Option<BatchNumber>) {
        let newest = Cell::new(None);
        let roles = EventRoles::new(events, |event| match self.renew(tenant, event, received) {
            Ok(batch) => {
                newest.set(newest.get().max(batch));
                Outcome::Applied
            }
            Err(rejection) => Outcome::Rejected(rejection),
        });
        (roles, newest.get())
    }

    /// Renews the lease of a heartbeat's session. Returns the batch that it is written with.
    fn renew(&self, tenant: TenantId, event: &Event, received: Duration) -> Result<Option<BatchNumber>, Rejection> {
        // Called with heartbeats only.
        let EventBody::DeskHeartbeat { user, session, opened } = &event.fact.body else { return Ok(None) };
        let view = self.0.views.tenant(tenant).view();
        let profile = view.directory().profile_of(user).ok_or(Rejection::UnknownUser)?;
        self.0.leases.renew(tenant, Heartbeat { user: profile.id, session, opened: *opened }, received)
    }

    /// Queues events for the journal and waits for their outcomes.
    async fn append(&self, tenant: TenantId, mut events: Vec<Event>, received: Duration) -> Result<Receipt, Fault> {
        if self.0.health.is_away() {
            return Err(Fault::Unavailable("the store is unavailable"));
        }
        self.0.health.until_confirmed().await?;
        let view = self.0.views.tenant(tenant).view();
        finality::mark(tenant, &mut events, &view, &self.0.reads).await?;
        // Dropped before the wait below: a held view keeps a copy of every block that changes meanwhile.
        drop(view);
        let drafts: Vec<Draft> = events.into_iter().map(|event| Draft::new(tenant, event)).collect();
        let bytes: usize = drafts.iter().map(|draft| draft.json.len() + EVENT_BYTES).sum();
        // At most half of the queue, so that a larger request is admitted when the queue is empty.
        let kib = bytes.div_ceil(1024).clamp(1, self.0.queue.shares().largest());
        let permit = self.0.queue.shares().enter(tenant, kib).ok_or(Fault::Unavailable("the queue is full"))?;
        let (request, answer) = PendingRequest::new(drafts.len(), permit);
        let longer = COMMIT_TIMEOUT * (kib / 1024).max(drafts.len() / 1_000) as u32;
        let item = |(n, draft)| Item { draft, request: Some((request.clone(), n)), received };
        if !self.0.queue.push(tenant, drafts.into_iter().enumerate().map(item).collect()) {
            return Err(Fault::Unavailable("the service is stopping"));
        }
        self.wait(answer, longer).await
    }

    /// Waits [`COMMIT_TIMEOUT`] for the answer, and `longer` than that unless the store becomes unavailable.
    async fn wait(
        &self,
        answer: oneshot::Receiver<Result<Receipt, Fault>>,
        longer: Duration,
    ) -> Result<Receipt, Fault> {
        let away = async {
            tokio::time::sleep(COMMIT_TIMEOUT).await;
            // Only after the usual time: an outage shorter than that still ends with the true outcome.
            self.0.health.until_away().await;
        };
        tokio::select! {
            // An answer that has arrived is returned even if the time ran out in the same moment.
            biased;
            // The engine drops a request unanswered only when it stops.
            answer = answer => answer.unwrap_or(Err(Fault::Unavailable("the service is stopping"))),
            () = away => Err(Fault::Unavailable("the store is unavailable")),
            () = tokio::time::sleep(COMMIT_TIMEOUT + longer) => Err(Fault::Unavailable("the store did not answer in time")),
        }
    }

    /// Ends the service of a deleted tenant: from now on its reads and events are rejected as with an unknown credential.
    /// The engine drops its state in its next turn.
    pub fn remove(&self, tenant: TenantId) {
        if self.0.views.delete(tenant) {
            gauge!("rollcall_quarantined_tenants").decrement(1);
        }
        self.0.removals.add(tenant);
    }

    /// Adds a connection to a session that was opened for it. The token is cancelled once another entry opens the session, at
    /// whichever server.
    pub fn hold_session(&self, of: Incarnation, superseded: CancellationToken) -> HeldSession {
        self.0.leases.hold(of, superseded)
    }

    /// Returns the number of requests in the queue.
    pub fn depth(&self) -> usize {
        self.0.queue.len()
    }
}

//! The parameters that every command of a tenant's caller shares.

use crate::auth::Authorized;
use crate::clock::Clock;
use crate::domain::{Event, EventBody, Fault, TenantId};
use crate::engine::{Reader, Receipt, Snapshot, Submitter};

/// An authorized caller, and the handles by which its command takes effect.
#[derive(Debug)]
pub struct Context<'a, P> {
    /// The caller, with proof of the scope that the command needs.
    pub caller: &'a Authorized<P>,
    /// Commits events.
    pub submitter: &'a Submitter,
    /// Returns the newest views.
    pub reader: &'a Reader,
    /// The time and new ids.
    pub clock: &'a Clock,
}

impl<P> Context<'_, P> {
    /// The caller's tenant.
    pub fn tenant(&self) -> TenantId {
        self.caller.tenant()
    }

    /// The newest state of the caller's tenant; [`Fault::Unavailable`] if the tenant is out of service.
    pub(super) fn snapshot(&self) -> Result<Snapshot, Fault> {
        self.reader.snapshot(self.tenant())
    }

    /// Decides by the newest state of the caller's tenant, as [`Reader::decide`].
    pub(super) async fn decide<T, E: From<Fault>>(&self, decide: impl Fn(&Snapshot) -> Result<T, E>) -> Result<T, E> {
        self.reader.decide(self.tenant(), decide).await
    }

    /// Makes an event of the service itself, at the present time and with a new id.
    pub(super) fn event(&self, source: &'static str, body: EventBody) -> Event {
        Event::internal(source, self.clock.new_id(), self.clock.now(), body)
    }

    /// Commits events to the caller's tenant. Returns once they are durable and visible.
    pub(super) async fn commit(&self, events: Vec<Event>) -> Result<Receipt, Fault> {
        self.submitter.commit(self.tenant(), events).await
    }
}

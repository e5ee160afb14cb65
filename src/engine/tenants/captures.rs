//! Requests for a copy of a tenant's whole state, which only the engine has: views leave out what no answer shows.

use tokio::sync::oneshot;

use super::inbox::Inbox;
use crate::domain::TenantId;
use crate::live::State;

/// A request for one tenant's state. Dropped unanswered if the tenant has none.
#[derive(Debug)]
pub struct Capture {
    pub tenant: TenantId,
    pub reply: oneshot::Sender<State>,
}

impl Inbox<Capture> {
    /// Requests a copy of a tenant's state. Returns `None` if the tenant has no state.
    pub async fn state(&self, tenant: TenantId) -> Option<State> {
        let (reply, answer) = oneshot::channel();
        self.add(Capture { tenant, reply });
        answer.await.ok()
    }
}

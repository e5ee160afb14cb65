//! Requests for a copy of a tenant's whole state, which only the engine has: views leave out what no answer shows.

use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};

use crate::domain::TenantId;
use crate::live::State;

/// A request for one tenant's state. Dropped unanswered if the tenant has none.
#[derive(Debug)]
pub struct Capture {
    pub tenant: TenantId,
    pub reply: oneshot::Sender<State>,
}

/// The requests that wait for the engine.
#[derive(Debug, Default)]
pub struct Captures {
    waiting: Mutex<Vec<Capture>>,
    added: Notify,
}

impl Captures {
    /// Requests a copy of a tenant's state and wakes the engine. Returns `None` if the tenant has no state, or the engine
    /// has ended.
    pub async fn state(&self, tenant: TenantId) -> Option<State> {
        let (reply, answer) = oneshot::channel();
        self.put_back(vec![Capture { tenant, reply }]);
        // The engine is the only waiter. If it is not waiting now, the notification is kept for its next wait.
        self.added.notify_one();
        answer.await.ok()
    }

    /// Takes the waiting requests.
    pub fn take(&self) -> Vec<Capture> {
        std::mem::take(&mut self.waiting.lock())
    }

    /// Adds requests that the engine cannot answer in this turn, to be taken in a later one.
    pub fn put_back(&self, captures: Vec<Capture>) {
        self.waiting.lock().extend(captures);
    }

    /// Returns once requests were added.
    pub async fn wait(&self) {
        self.added.notified().await;
    }
}

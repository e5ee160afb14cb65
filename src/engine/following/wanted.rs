//! The tenants that the follower looks at before its next poll.

use std::collections::HashSet;

use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};

use crate::domain::TenantId;

/// Tenants to look at.
#[derive(Debug, Default)]
pub(super) struct Looks {
    /// True if all are to be looked at.
    pub all: bool,
    pub tenants: HashSet<TenantId>,
    /// Receive the heads of tenants; dropped if the look fails.
    pub waiting: Vec<(TenantId, oneshot::Sender<u64>)>,
}

impl Looks {
    /// Sends the heads that a look found; 0 for a tenant without one.
    pub fn answer(waiting: Vec<(TenantId, oneshot::Sender<u64>)>, head: impl Fn(TenantId) -> Option<u64>) {
        for (tenant, reply) in waiting {
            // Fails if the request was given up.
            let _gone = reply.send(head(tenant).unwrap_or_default());
        }
    }
}

/// Requests for looks, from notifications and from readers. However many there are of a tenant, the next look answers all
/// of them.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    looks: Mutex<Looks>,
    added: Notify,
}

impl Wanted {
    /// Requests a look at some tenants.
    pub fn add(&self, tenants: impl IntoIterator<Item = TenantId>) {
        self.looks.lock().tenants.extend(tenants);
        self.added.notify_one();
    }

    /// Requests a look at a tenant, and returns its head by a look that begins after the call. `None` if it fails.
    pub async fn head_of(&self, tenant: TenantId) -> Option<u64> {
        let (reply, answer) = oneshot::channel();
        self.looks.lock().waiting.push((tenant, reply));
        self.add([tenant]);
        answer.await.ok()
    }

    /// Requests a look at all tenants.
    pub fn add_all(&self) {
        self.looks.lock().all = true;
        self.added.notify_one();
    }

    /// Takes the requests. A look that begins afterwards answers them.
    pub fn take(&self) -> Looks {
        std::mem::take(&mut *self.looks.lock())
    }

    /// Returns true if a look is requested.
    pub fn is_any(&self) -> bool {
        let looks = self.looks.lock();
        looks.all || !looks.tenants.is_empty()
    }

    /// Returns once a look was requested.
    pub async fn wait(&self) {
        self.added.notified().await;
    }
}

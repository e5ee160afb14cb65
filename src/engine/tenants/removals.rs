//! The deleted tenants that the engine has yet to drop.

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::domain::TenantId;

/// Deleted tenants, from those that notice the deletion to the engine, which owns the states.
#[derive(Debug, Default)]
pub struct Removals {
    tenants: Mutex<Vec<TenantId>>,
    added: Notify,
}

impl Removals {
    /// Adds a tenant and wakes the engine.
    pub fn add(&self, tenant: TenantId) {
        self.tenants.lock().push(tenant);
        // The engine is the only waiter. If it is not waiting now, the notification is kept for its next wait.
        self.added.notify_one();
    }

    /// Takes the tenants that were added.
    pub fn take(&self) -> Vec<TenantId> {
        std::mem::take(&mut self.tenants.lock())
    }

    /// Returns once tenants were added.
    pub async fn wait(&self) {
        self.added.notified().await;
    }
}

//! The settings of all tenants.

use super::Registry;
use crate::domain::{Settings, TenantId};
use crate::store::StoreError;

/// The settings of all tenants, from the registry. Clones share them.
#[derive(Clone, Debug)]
pub struct TenantSettings(Registry);

impl TenantSettings {
    pub(super) fn new(registry: Registry) -> Self {
        TenantSettings(registry)
    }

    /// The current settings of a tenant; the default if it is unknown.
    pub fn of(&self, tenant: TenantId) -> Settings {
        self.0.current().settings(tenant)
    }

    /// Lets `listener` be called with each tenant that was deleted; see [`Registry::on_deleted`].
    pub fn on_deleted(&self, listener: impl Fn(TenantId) + Send + Sync + 'static) {
        self.0.on_deleted(listener);
    }

    /// Calls the listeners with a deleted tenant. Refreshing does that as well, but only for the tenants that the
    /// registry has seen.
    pub fn deleted(&self, tenant: TenantId) {
        self.0.drop_deleted(&[tenant]);
        self.0.0.listeners.call(&[tenant]);
    }

    /// Reloads the registry if its version in the store changed; see [`Registry::refresh`].
    pub async fn refresh(&self) -> Result<(), StoreError> {
        self.0.refresh().await
    }
}

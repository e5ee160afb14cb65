//! Deletes a tenant, for the administrator.

use crate::auth::Admin;
use crate::clock::Clock;
use crate::domain::{Fault, TenantId};
use crate::registry::TenantSettings;
use crate::store::{Store, in_time};

/// Deletes a tenant. When this returns, its credentials are invalid, nothing of it is answered, and its name is free; its
/// rows are deleted in the background. [`Fault::NotFound`] for an unknown tenant.
pub async fn delete_tenant(
    _admin: &Admin,
    store: &Store,
    settings: &TenantSettings,
    clock: &Clock,
    tenant: TenantId,
) -> Result<(), Fault> {
    if !in_time(store.delete_tenant(tenant, clock.now())).await? {
        return Err(Fault::NotFound("tenant"));
    }
    in_time(settings.refresh()).await?;
    // The registry may not have read a tenant that was added a moment ago.
    settings.deleted(tenant);
    Ok(())
}

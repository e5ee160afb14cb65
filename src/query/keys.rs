//! A tenant's keys, without the keys.

use crate::auth::Admin;
use crate::domain::{Fault, TenantId};
use crate::store::{KeyRecord, Store, StoreError, TenantRecord};

/// Every key of a tenant, revoked ones included; [`Fault::NotFound`] for an unknown tenant.
pub async fn keys(_admin: &Admin, store: &Store, tenant: TenantId) -> Result<Vec<KeyRecord>, Fault> {
    if !store.tenants().await.map_err(unavailable)?.iter().any(|known| known.id == tenant) {
        return Err(Fault::NotFound("tenant"));
    }
    let mut keys = store.keys().await.map_err(unavailable)?;
    keys.retain(|key| key.tenant == tenant);
    Ok(keys)
}

/// Every tenant, by name.
pub async fn tenants(_admin: &Admin, store: &Store) -> Result<Vec<TenantRecord>, Fault> {
    store.tenants().await.map_err(unavailable)
}

fn unavailable(error: StoreError) -> Fault {
    tracing::warn!(%error, "the store failed");
    Fault::Unavailable("the store is away")
}

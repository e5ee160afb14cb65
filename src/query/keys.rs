//! A tenant's keys, without the keys.

use crate::auth::Admin;
use crate::domain::{Fault, TenantId};
use crate::store::{KeyRecord, Store, TenantRecord, in_time};

/// Every key of a tenant, revoked ones included; [`Fault::NotFound`] for an unknown tenant.
pub async fn keys(_admin: &Admin, store: &Store, tenant: TenantId) -> Result<Vec<KeyRecord>, Fault> {
    if !in_time(store.tenants()).await?.iter().any(|known| known.id == tenant) {
        return Err(Fault::NotFound("tenant"));
    }
    let mut keys = in_time(store.keys()).await?;
    keys.retain(|key| key.tenant == tenant);
    Ok(keys)
}

/// Every tenant, by name.
pub async fn tenants(_admin: &Admin, store: &Store) -> Result<Vec<TenantRecord>, Fault> {
    in_time(store.tenants()).await
}

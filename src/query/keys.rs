//! Tenants, and their keys without the keys.

use crate::auth::Admin;
use crate::domain::{Fault, TenantId};
use crate::store::{KeyRecord, Store, TenantRecord, in_time};

/// Every key of a tenant, revoked ones included; [`Fault::NotFound`] for an unknown tenant.
pub async fn keys(admin: &Admin, store: &Store, tenant: TenantId) -> Result<Vec<KeyRecord>, Fault> {
    self::tenant(admin, store, tenant).await?;
    in_time(store.keys_of(tenant)).await
}

/// A tenant; [`Fault::NotFound`] for an unknown one.
pub async fn tenant(_admin: &Admin, store: &Store, tenant: TenantId) -> Result<TenantRecord, Fault> {
    let known = in_time(store.tenants()).await?.into_iter().find(|known| known.id == tenant);
    known.ok_or(Fault::NotFound("tenant"))
}

/// Every tenant, by name.
pub async fn tenants(_admin: &Admin, store: &Store) -> Result<Vec<TenantRecord>, Fault> {
    in_time(store.tenants()).await
}

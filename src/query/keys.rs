//! Tenants and their keys, without the secrets, for the administrator.

use crate::auth::Admin;
use crate::domain::{Fault, TenantId};
use crate::store::{KeyRecord, Store, TenantRecord, in_time};

/// Returns every key of a tenant, revoked ones included. [`Fault::NotFound`] for an unknown tenant.
pub async fn keys(admin: &Admin, store: &Store, tenant: TenantId) -> Result<Vec<KeyRecord>, Fault> {
    // Distinguishes an unknown tenant from one without keys.
    self::tenant(admin, store, tenant).await?;
    in_time(store.keys_of(tenant)).await
}

/// Returns a tenant. [`Fault::NotFound`] for an unknown one.
pub async fn tenant(_admin: &Admin, store: &Store, tenant: TenantId) -> Result<TenantRecord, Fault> {
    in_time(store.tenant(tenant)).await?.ok_or(Fault::NotFound("tenant"))
}

/// Returns up to `limit` tenants after the one with the id `after`, which need not exist, ordered by id; without one the
/// first. The second value is true if there are more.
pub async fn tenants_after(
    _admin: &Admin,
    store: &Store,
    after: Option<TenantId>,
    limit: u32,
) -> Result<(Vec<TenantRecord>, bool), Fault> {
    // No tenant has the nil id. One more than needed shows whether there are more.
    let after = after.unwrap_or(TenantId(uuid::Uuid::nil()));
    let mut tenants = in_time(store.tenants_after(after, limit + 1)).await?;
    let has_more = tenants.len() > limit as usize;
    tenants.truncate(limit as usize);
    Ok((tenants, has_more))
}

/// Returns every tenant, ordered by name.
pub async fn tenants(_admin: &Admin, store: &Store) -> Result<Vec<TenantRecord>, Fault> {
    in_time(store.tenants()).await
}

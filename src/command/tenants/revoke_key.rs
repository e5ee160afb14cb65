//! Revokes a tenant's key, for the administrator.

use uuid::Uuid;

use crate::auth::{Admin, Credentials};
use crate::clock::Clock;
use crate::domain::{Fault, TenantId};
use crate::store::{Store, in_time};

/// A key of a tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyOf {
    /// The tenant.
    pub tenant: TenantId,
    /// The key's id.
    pub key: Uuid,
}

/// Revokes a key, which is invalid when this returns. [`Fault::NotFound`] if it is unknown, revoked or another
/// tenant's.
pub async fn revoke_key(
    _admin: &Admin,
    store: &Store,
    credentials: &Credentials,
    clock: &Clock,
    KeyOf { tenant, key }: KeyOf,
) -> Result<(), Fault> {
    if !in_time(store.revoke_key(tenant, key, clock.now())).await? {
        return Err(Fault::NotFound("key"));
    }
    in_time(credentials.refresh()).await
}

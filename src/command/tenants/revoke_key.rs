//! Revokes a tenant's key, for the administrator.

use uuid::Uuid;

use crate::auth::{Admin, Credentials};
use crate::clock::Clock;
use crate::domain::{Fault, TenantId};
use crate::store::{Store, in_time};

/// Revokes a key, which is invalid when this returns. [`Fault::NotFound`] if it is unknown, revoked or another
/// tenant's.
pub async fn revoke_key(
    _admin: &Admin,
    (store, credentials): (&Store, &Credentials),
    clock: &Clock,
    tenant: TenantId,
    key: Uuid,
) -> Result<(), Fault> {
    if !in_time(store.revoke_key(tenant, key, clock.now())).await? {
        return Err(Fault::NotFound("key"));
    }
    in_time(credentials.refresh()).await
}

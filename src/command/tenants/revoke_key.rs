//! The administrator takes a key away.

use uuid::Uuid;

use crate::auth::{Admin, KeyRing};
use crate::clock::Clock;
use crate::domain::{Fault, TenantId};
use crate::store::{Store, in_time};

/// Revokes a key; it no longer works when this answers. [`Fault::NotFound`] for an unknown key, or another tenant's.
pub async fn revoke_key(
    _admin: &Admin,
    (store, ring): (&Store, &KeyRing),
    clock: &Clock,
    tenant: TenantId,
    key: Uuid,
) -> Result<(), Fault> {
    if !in_time(store.revoke_key(tenant, key, clock.now())).await? {
        return Err(Fault::NotFound("key"));
    }
    in_time(ring.refresh()).await
}

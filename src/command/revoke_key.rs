//! The administrator takes a key away.

use uuid::Uuid;

use super::unavailable;
use crate::auth::{Admin, KeyRing};
use crate::clock::Clock;
use crate::domain::{Fault, TenantId};
use crate::store::Store;

/// Revokes a key; it no longer works when this answers. [`Fault::NotFound`] for an unknown key, or another tenant's.
pub async fn revoke_key(
    _admin: &Admin,
    (store, ring): (&Store, &KeyRing),
    clock: &Clock,
    tenant: TenantId,
    key: Uuid,
) -> Result<(), Fault> {
    if !store.revoke_key(tenant, key, clock.now()).await.map_err(unavailable)? {
        return Err(Fault::NotFound("key"));
    }
    ring.refresh().await.map_err(unavailable)
}

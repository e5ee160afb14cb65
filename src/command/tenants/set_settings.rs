//! Changes a tenant's settings, for the administrator.

use crate::auth::Admin;
use crate::domain::settings::SettingsPatch;
use crate::domain::{Fault, TenantId};
use crate::registry::TenantSettings;
use crate::store::{Store, TenantRecord, in_time};

/// Changes a tenant's settings, which are in effect when this returns. [`Fault::NotFound`] for an unknown tenant,
/// [`Fault::Refused`] for an invalid value.
pub async fn set_settings(
    _admin: &Admin,
    store: &Store,
    settings: &TenantSettings,
    tenant: TenantId,
    patch: &SettingsPatch,
) -> Result<TenantRecord, Fault> {
    let problems = patch.check();
    if !problems.is_empty() {
        return Err(Fault::Refused(problems));
    }
    // Held from the read to the write below, so that of two concurrent changes neither undoes the other.
    let _lock = settings.lock().await;
    let unknown = Fault::NotFound("tenant");
    let known = in_time(store.tenants()).await?.into_iter().find(|known| known.id == tenant);
    let mut record = known.ok_or(unknown.clone())?;
    patch.patch(&mut record.settings);
    let problems = record.settings.check();
    if !problems.is_empty() {
        return Err(Fault::Refused(problems));
    }
    if !in_time(store.set_settings(tenant, &record.settings)).await? {
        return Err(unknown);
    }
    in_time(settings.refresh()).await?;
    Ok(record)
}

//! Changes a tenant's settings, for the administrator.

use crate::auth::Admin;
use crate::domain::settings::SettingsPatch;
use crate::domain::settings::desk::DeskTerms;
use crate::domain::{Fault, TenantId};
use crate::registry::TenantSettings;
use crate::store::{Store, TenantRecord, in_time};

/// The changes to a tenant's settings.
#[derive(Clone, Copy, Debug)]
pub struct SettingsChange<'a> {
    /// The changes themselves.
    pub patch: &'a SettingsPatch,
    /// The service's own terms of desks, with which a heartbeat without a lease is compared.
    pub usual: DeskTerms,
}

/// Changes a tenant's settings, which are in effect when this returns. [`Fault::NotFound`] for an unknown tenant,
/// [`Fault::Refused`] for an invalid value.
pub async fn set_settings(
    _admin: &Admin,
    store: &Store,
    settings: &TenantSettings,
    tenant: TenantId,
    change: SettingsChange<'_>,
) -> Result<TenantRecord, Fault> {
    let SettingsChange { patch, usual } = change;
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
    // Only if they change: terms that were stored before the service's lease became shorter must not be in the way of
    // other changes.
    let problems = if patch.has_desk_terms() { record.settings.check(usual) } else { Vec::new() };
    if !problems.is_empty() {
        return Err(Fault::Refused(problems));
    }
    if !in_time(store.set_settings(tenant, &record.settings)).await? {
        return Err(unknown);
    }
    in_time(settings.refresh()).await?;
    Ok(record)
}

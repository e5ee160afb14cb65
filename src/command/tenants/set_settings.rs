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

/// Attempts at a change of desk terms that the store rejected by settings that were changed again at once.
const ATTEMPTS: u32 = 3;

/// Changes a tenant's settings, which are in effect when this returns. Of two concurrent changes neither undoes the other.
///
/// [`Fault::NotFound`] for an unknown tenant, [`Fault::Refused`] for an invalid value. Terms of desks are compared with
/// each other only if they are among the changes: those that were stored before the service's lease became shorter are
/// not in the way of other changes.
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
    let unknown = Fault::NotFound("tenant");
    for _ in 0..ATTEMPTS {
        // The store decides by the settings that it has, which another server may have changed a moment ago.
        if let Some(changed) = in_time(store.change_settings(tenant, patch, usual.lease)).await? {
            in_time(settings.refresh()).await?;
            return Ok(changed);
        }
        let mut record = in_time(store.tenant(tenant)).await?.ok_or(unknown.clone())?;
        patch.patch(&mut record.settings);
        let problems = record.settings.check(usual);
        if !problems.is_empty() {
            return Err(Fault::Refused(problems));
        }
        // They were changed again since, and the change would pass now.
    }
    Err(Fault::Unavailable("the settings are being changed by others"))
}

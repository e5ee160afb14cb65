//! The current rights of a user that logged in.

use crate::auth::{LoggedIn, UserRights};
use crate::domain::{EntityRef, Fault, Scope, TenantId, UserRef};
use crate::engine::Reader;
use crate::live::View;
use crate::live::directory::Account;

/// Returns the rights of a user. `None` if the user was deleted, or the password was changed after the log-in. Called
/// at every request, with the newest view, so that a withdrawn right is withdrawn at once.
///
/// [`Fault::Unavailable`] if the tenant is out of service: the credential may be valid.
pub fn current_rights(reader: &Reader, tenant: TenantId, user: LoggedIn) -> Result<Option<UserRights>, Fault> {
    let view = reader.snapshot(tenant)?.view;
    Ok(account(&view, user).map(|(_, rights)| rights))
}

/// Returns the account of a user who logged in and its rights at the view's position, as [`current_rights`] does.
pub fn account(view: &View, user: LoggedIn) -> Option<(&Account, UserRights)> {
    let ix = view.directory().find(&UserRef::Entity(EntityRef::Guid(user.guid)))?;
    let account = view.directory().users().account(ix)?;
    let password = account.password.as_ref().filter(|password| password.set == user.password)?;
    // From the current roles rather than from the log-in, so that a withdrawn role ends its rights.
    let scopes = Scope::of_user(account.profile.roles).into_iter().collect();
    Some((account, UserRights { scopes, key: password.by }))
}

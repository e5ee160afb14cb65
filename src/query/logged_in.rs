//! The current scopes of a user that logged in.

use crate::auth::LoggedIn;
use crate::domain::{EntityRef, Fault, Scope, Scopes, TenantId, UserRef};
use crate::engine::Reader;

/// Returns the scopes of the user's roles. `None` if the user was deleted, or the password was changed after the
/// log-in. Called at every request, with the newest view, so that a withdrawn right is withdrawn at once.
///
/// [`Fault::Unavailable`] if the tenant is out of service: the credential may be valid.
pub fn current_scopes(reader: &Reader, tenant: TenantId, user: LoggedIn) -> Result<Option<Scopes>, Fault> {
    let view = reader.snapshot(tenant)?.view;
    let ix = view.directory().find(&UserRef::Entity(EntityRef::Guid(user.guid)));
    let Some(account) = ix.and_then(|ix| view.directory().users().account(ix)) else { return Ok(None) };
    let is_current = account.password.as_ref().is_some_and(|password| password.set == user.password);
    // From the current roles rather than from the log-in, so that a withdrawn role ends its rights.
    Ok(is_current.then(|| Scope::of_user(account.profile.roles).into_iter().collect()))
}

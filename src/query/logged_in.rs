//! What somebody who logged in may do now.

use crate::auth::LoggedIn;
use crate::domain::{EntityRef, Scope, Scopes, TenantId, UserRef};
use crate::engine::Reader;

/// What the user's roles allow; nothing once the user is gone, or has another password than the one they logged in
/// with. Asked of the newest view at every request, so that whatever takes a right away does so at once.
pub fn may(reader: &Reader, tenant: TenantId, who: LoggedIn) -> Option<Scopes> {
    let view = reader.snapshot(tenant).view;
    let ix = view.directory().find(&UserRef::Entity(EntityRef::Guid(who.guid)))?;
    let account = view.directory().users().account(ix)?;
    let is_current = account.password.as_ref().is_some_and(|password| password.set == who.password);
    is_current.then(|| Scope::of_user(account.profile.roles).into_iter().collect())
}

//! Changes an operator, for an administration.

use std::sync::Arc;

use super::Context;
use super::upsert_directory::upsert;
use crate::auth::{NewPassword, OperatorsWrite};
use crate::domain::directory::{Document, UserPatch};
use crate::domain::{EntityRef, Fault, PackedProfile, UserRef};
use crate::engine::Snapshot;

/// Changes an operator and, if one is given, the password. Returns the position of the view in which that is in effect,
/// and the operator's profile there.
///
/// [`Fault::NotFound`] for an unknown operator, [`Fault::Refused`] with pointers into a directory document of this one
/// user. [`Fault::Forbidden`] for a password of an operator with roles that allow more than
/// the caller may do.
pub async fn update_operator(
    context: Context<'_, OperatorsWrite>,
    operator: EntityRef,
    mut user: UserPatch,
    password: Option<NewPassword>,
) -> Result<(u64, Arc<PackedProfile>), Fault> {
    let subject = UserRef::Entity(operator);
    let unknown = Fault::NotFound("operator");
    let find = |snapshot: &Snapshot| snapshot.view.directory().profile_of(&subject).cloned();
    let profile = context.decide(|snapshot| find(snapshot).ok_or(unknown.clone())).await?;
    // With both ids, the document is rejected instead of creating a new operator if this one is deleted meanwhile.
    (user.id, user.guid) = (Some(profile.id), Some(profile.guid));
    let roles = user.roles_after(profile.roles);
    let then = password.map(|password| password.set_for(UserRef::id(profile.id), roles)).transpose()?;
    let document = Document { users: vec![user], ..Document::default() };
    upsert(&context, Arc::new(document), then).await?;
    let view = context.snapshot()?.view;
    let changed = view.directory().profile_of(&subject);
    Ok((view.position(), changed.ok_or(unknown)?.clone()))
}

//! Changes an operator, for an administration.

use std::sync::Arc;

use super::Context;
use super::upsert_directory::upsert;
use crate::auth::OperatorsWrite;
use crate::domain::directory::{Document, UserPatch};
use crate::domain::event::PasswordHash;
use crate::domain::{EntityRef, EventBody, Fault, Profile, UserRef};

/// Changes an operator and, if a hash is given, the password. Returns the position of the view in which that is in
/// effect, and the operator's profile there.
///
/// [`Fault::NotFound`] for an unknown operator, [`Fault::Refused`] with pointers into a directory document of this one
/// user.
pub async fn update_operator(
    context: Context<'_, OperatorsWrite>,
    operator: EntityRef,
    mut user: UserPatch,
    password: Option<PasswordHash>,
) -> Result<(u64, Arc<Profile>), Fault> {
    let subject = UserRef::Entity(operator);
    let unknown = Fault::NotFound("operator");
    let view = context.snapshot()?.view;
    let profile = view.directory().profile_of(&subject);
    // With both ids, the document is rejected instead of creating a new operator if this one is deleted meanwhile.
    let profile = profile.ok_or(unknown.clone())?;
    (user.id, user.guid) = (Some(profile.id), Some(profile.guid));
    let then = password.map(|hash| EventBody::PasswordSet { user: UserRef::id(profile.id), hash });
    let document = Document { users: vec![user], ..Document::default() };
    upsert(&context, document, then).await?;
    let view = context.snapshot()?.view;
    let changed = view.directory().profile_of(&subject);
    Ok((view.position(), changed.ok_or(unknown)?.clone()))
}

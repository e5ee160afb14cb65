//! Creates an operator, for an administration.

use std::sync::Arc;

use super::Context;
use super::upsert_directory::upsert;
use crate::auth::OperatorsWrite;
use crate::domain::directory::{Document, UserPatch};
use crate::domain::event::PasswordHash;
use crate::domain::{EntityRef, EventBody, Fault, Profile, UserRef};

/// Creates an operator, with a password if a hash is given. Returns the position of the view that has it, and its
/// profile.
///
/// [`Fault::Refused`] with pointers into a directory document of this one user.
pub async fn create_operator(
    context: Context<'_, OperatorsWrite>,
    mut user: UserPatch,
    password: Option<PasswordHash>,
) -> Result<(u64, Arc<Profile>), Fault> {
    // A new GUID, by which this operator is found again among others that are created at the same time.
    let guid = context.clock.new_id();
    user.guid = Some(guid);
    let subject = UserRef::Entity(EntityRef::Guid(guid));
    let then = password.map(|hash| EventBody::PasswordSet { user: subject.clone(), hash });
    let document = Document { users: vec![user], ..Document::default() };
    upsert(&context, document, then).await?;
    let view = context.snapshot()?.view;
    let made = view.directory().profile_of(&subject).ok_or(Fault::NotFound("operator"))?;
    Ok((view.position(), made.clone()))
}

//! Creates an operator, for an administration.

use std::sync::Arc;

use super::Context;
use super::upsert_directory::upsert;
use crate::auth::{NewPassword, OperatorsWrite};
use crate::domain::directory::{Document, UserPatch};
use crate::domain::{EntityRef, Fault, PackedProfile, Roles, UserRef};

/// Creates an operator, with a password if one is given. Returns the position of the view that has it, and its profile.
///
/// [`Fault::Refused`] with pointers into a directory document of this one user. [`Fault::Forbidden`] for a password of
/// an operator with roles that allow more than the caller may do.
pub async fn create_operator(
    context: Context<'_, OperatorsWrite>,
    mut user: UserPatch,
    password: Option<NewPassword>,
) -> Result<(u64, Arc<PackedProfile>), Fault> {
    // A new GUID, by which this operator is found again among others that are created at the same time.
    let guid = context.clock.new_id();
    user.guid = Some(guid);
    let subject = UserRef::Entity(EntityRef::Guid(guid));
    let roles = user.roles_after(Roles::default());
    let then = password.map(|password| password.set_for(subject.clone(), roles)).transpose()?;
    let document = Document { users: vec![user], ..Document::default() };
    upsert(&context, Arc::new(document), then).await?;
    let view = context.snapshot()?.view;
    let made = view.directory().profile_of(&subject).ok_or(Fault::NotFound("operator"))?;
    Ok((view.position(), made.clone()))
}

//! Creates an operator, for an administration.

use std::sync::Arc;

use super::upsert_directory::upsert;
use crate::auth::Caller;
use crate::clock::Clock;
use crate::domain::directory::{Document, UserPatch};
use crate::domain::event::PasswordHash;
use crate::domain::{EntityRef, EventBody, Fault, Profile, Scope, UserRef};
use crate::engine::{Reader, Submitter};

/// Creates an operator, with a password if a hash is given. Returns the position of the view that has it, and its
/// profile.
///
/// [`Fault::Refused`] with pointers into a directory document of this one user.
pub async fn create_operator(
    caller: &Caller,
    (submitter, reader): (&Submitter, &Reader),
    clock: &Clock,
    (mut user, password): (UserPatch, Option<PasswordHash>),
) -> Result<(u64, Arc<Profile>), Fault> {
    caller.require(Scope::OperatorsWrite)?;
    // A new GUID, by which this operator is found again among others that are created at the same time.
    let guid = clock.new_id();
    user.guid = Some(guid);
    let subject = UserRef::Entity(EntityRef::Guid(guid));
    let then = password.map(|hash| EventBody::PasswordSet { user: subject.clone(), hash });
    let document = Document { users: vec![user], ..Document::default() };
    upsert(caller, (submitter, reader), clock, (document, then)).await?;
    let view = reader.snapshot(caller.tenant()).view;
    let made = view.directory().profile_of(&subject).ok_or(Fault::NotFound("operator"))?;
    Ok((view.position(), made.clone()))
}

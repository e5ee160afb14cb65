//! An administration makes an operator.

use std::sync::Arc;

use super::upsert_directory::upsert;
use crate::auth::Caller;
use crate::clock::Clock;
use crate::domain::directory::{Document, UserPatch};
use crate::domain::{EntityRef, Fault, Profile, Scope, UserRef};
use crate::engine::{Reader, Submitter};

/// Makes an operator; answers the position at which it is there, and who it is.
///
/// [`Fault::Refused`] with pointers into a document of this one user.
pub async fn create_operator(
    caller: &Caller,
    (submitter, reader): (&Submitter, &Reader),
    clock: &Clock,
    mut user: UserPatch,
) -> Result<(u64, Arc<Profile>), Fault> {
    caller.require(Scope::OperatorsWrite)?;
    // An identity that nobody else has, so that the operator is found again among those made at the same time.
    let guid = clock.new_id();
    user.guid = Some(guid);
    let document = Document { users: vec![user], ..Document::default() };
    upsert(caller, (submitter, reader), clock, document).await?;
    let view = reader.snapshot(caller.tenant()).view;
    let made = view.directory().find(&UserRef::Entity(EntityRef::Guid(guid)));
    let profile = made.and_then(|ix| view.directory().profile(ix)).ok_or(Fault::NotFound("operator"))?;
    Ok((view.position(), profile.clone()))
}

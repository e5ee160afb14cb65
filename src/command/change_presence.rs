//! Somebody else than the desk says what a user is: ready, on a break, in a meeting.

use uuid::Uuid;

use crate::auth::Caller;
use crate::clock::Clock;
use crate::domain::event::Rejection;
use crate::domain::{Body, EntityRef, Event, Fault, Outcome, Scope, UserRef};
use crate::engine::{Reader, Submitter};

const SOURCE: &str = "rollcall:presence";

/// Who is to be what, both by GUID.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choice {
    /// Who.
    pub user: Uuid,
    /// The definition, of the directory or built in.
    pub definition: Uuid,
}

/// Why a presence was not changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotChanged {
    /// There is no such definition.
    Unknown,
    /// There is, but nobody may choose it.
    NotSelectable,
    /// Any other.
    Fault(Fault),
}

impl From<Fault> for NotChanged {
    fn from(fault: Fault) -> Self {
        NotChanged::Fault(fault)
    }
}

/// Changes a user's presence; answers the position at which it is in effect. Of somebody without a desk it is what they
/// show once they connect.
///
/// [`Fault::NotFound`] for an unknown user.
pub async fn change_presence(
    caller: &Caller,
    submitter: &Submitter,
    reader: &Reader,
    clock: &Clock,
    choice: Choice,
) -> Result<u64, NotChanged> {
    caller.require(Scope::UsersWrite)?;
    let view = reader.snapshot(caller.tenant()).view;
    let user = UserRef::Entity(EntityRef::Guid(choice.user));
    view.directory().find(&user).ok_or(Fault::NotFound("user"))?;
    let definition = view.directory().definition(choice.definition).ok_or(NotChanged::Unknown)?;
    // A built-in definition is its category and nothing more: the directory, which events name, does not have it.
    let (presence, presence_id) = match definition.category.chosen().filter(|_| definition.selectable) {
        None => return Err(NotChanged::NotSelectable),
        Some(category) if definition.is_built_in => (Some(category), None),
        Some(_) => (None, Some(definition.guid)),
    };
    let body = Body::StatusChanged { user, presence, presence_id, channels: Vec::new() };
    let event = Event::internal(SOURCE, clock.new_id(), clock.now(), body);
    let receipt = submitter.commit(caller.tenant(), vec![event]).await?;
    match receipt.outcomes.first() {
        Some(Outcome::Rejected(Rejection::UnknownUser)) => Err(Fault::NotFound("user").into()),
        // The directory changed between the look at it and the journal.
        Some(Outcome::Rejected(_)) => Err(NotChanged::NotSelectable),
        _ => Ok(receipt.position),
    }
}

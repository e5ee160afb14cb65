//! Changes a user's presence from outside of the user's desk: ready, on a break, in a meeting.

use uuid::Uuid;

use super::Context;
use crate::auth::UsersWrite;
use crate::domain::event::Rejection;
use crate::domain::{EntityRef, EventBody, Fault, Outcome, UserRef};

/// The source of these events.
const SOURCE: &str = "rollcall:presence";

/// A presence for a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choice {
    /// The user's GUID.
    pub user: Uuid,
    /// The GUID of the presence definition, built in or of the directory.
    pub definition: Uuid,
}

/// The reason why a presence was not changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChangeError {
    /// The definition does not exist.
    Unknown,
    /// The definition exists and cannot be chosen.
    NotSelectable,
    /// Any other fault.
    Fault(Fault),
}

impl From<Fault> for ChangeError {
    fn from(fault: Fault) -> Self {
        ChangeError::Fault(fault)
    }
}

/// Changes a user's presence and returns the position from which it is in effect. A user without a connected desk shows
/// it after connecting.
///
/// [`Fault::NotFound`] for an unknown user.
pub async fn change_presence(context: Context<'_, UsersWrite>, choice: Choice) -> Result<u64, ChangeError> {
    let user = UserRef::Entity(EntityRef::Guid(choice.user));
    let (presence, presence_id) = context
        .decide(|snapshot| {
            let directory = snapshot.view.directory();
            directory.find(&user).ok_or(Fault::NotFound("user"))?;
            let definition = directory.definition(choice.definition).ok_or(ChangeError::Unknown)?;
            // Events refer to definitions of the directory, which has no built-in ones: those are stored as their category.
            match definition.category.chosen().filter(|_| definition.selectable) {
                None => Err(ChangeError::NotSelectable),
                Some(category) if definition.is_built_in => Ok((Some(category), None)),
                Some(_) => Ok((None, Some(definition.guid))),
            }
        })
        .await?;
    let body = EventBody::StatusChanged { user, presence, presence_id, channels: Vec::new() };
    let receipt = context.commit(vec![context.event(SOURCE, body)]).await?;
    match receipt.outcomes.first() {
        Some(Outcome::Rejected(Rejection::UnknownUser)) => Err(Fault::NotFound("user").into()),
        // The directory changed after it was read above and before the event was applied.
        Some(Outcome::Rejected(_)) => Err(ChangeError::NotSelectable),
        _ => Ok(receipt.position),
    }
}

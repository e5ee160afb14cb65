//! Switches a user's channels, or takes the user offline, from outside of the user's desk.

use super::Context;
use crate::auth::{GraphqlWrite, OperatorsWrite, Privilege};
use crate::domain::event::Rejection;
use crate::domain::{Channel, EntityRef, EventBody, Fault, Outcome, UserRef};

/// The source of these events.
const SOURCE: &str = "rollcall:availability";

/// A change of a user's availability, made as a whole or not at all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// Channels to be switched on (true) or off.
    pub channels: Vec<(Channel, bool)>,
    /// True if every session of the user is to be closed.
    pub offline: bool,
}

/// The reason why an availability was not changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChangeError {
    /// The directory does not enable the channel for the user, so it cannot be switched on.
    NotEnabled(Channel),
    /// Any other fault.
    Fault(Fault),
}

impl From<Fault> for ChangeError {
    fn from(fault: Fault) -> Self {
        ChangeError::Fault(fault)
    }
}

/// A scope that suffices to change a user's availability; the dialects have different ones.
pub trait ChangesAvailability: Privilege {}

impl ChangesAvailability for GraphqlWrite {}
impl ChangesAvailability for OperatorsWrite {}

/// Changes a user's availability and returns the position from which it is in effect.
///
/// [`Fault::NotFound`] for an unknown user.
pub async fn change_availability<P: ChangesAvailability>(
    context: Context<'_, P>,
    user: EntityRef,
    change: Change,
) -> Result<u64, ChangeError> {
    let subject = UserRef::Entity(user);
    context
        .decide(|snapshot| {
            let profile = snapshot.view.directory().profile_of(&subject);
            let conf = profile.ok_or(Fault::NotFound("user"))?.channels().per_channel();
            match change.channels.iter().find(|(channel, on)| *on && !conf[*channel].enabled) {
                Some((channel, _)) => Err(ChangeError::NotEnabled(*channel)),
                None => Ok(()),
            }
        })
        .await?;
    let mut bodies = Vec::new();
    if !change.channels.is_empty() {
        let channels = change.channels;
        bodies.push(EventBody::StatusChanged { user: subject.clone(), presence: None, presence_id: None, channels });
    }
    if change.offline {
        bodies.push(EventBody::DeskClosedAll { user: subject });
    }
    let events = bodies.into_iter().map(|body| context.event(SOURCE, body)).collect();
    let receipt = context.commit(events).await?;
    let gone = |outcome: &Outcome| matches!(outcome, Outcome::Rejected(Rejection::UnknownUser));
    if receipt.outcomes.iter().any(gone) { Err(Fault::NotFound("user").into()) } else { Ok(receipt.position) }
}

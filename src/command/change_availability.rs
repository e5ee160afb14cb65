//! Switches a user's channels, or takes the user offline, from outside of the user's desk.

use crate::auth::Caller;
use crate::clock::Clock;
use crate::domain::event::Rejection;
use crate::domain::{Channel, EntityRef, Event, EventBody, Fault, Outcome, Scope, UserRef};
use crate::engine::{Reader, Submitter};

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

/// Changes a user's availability and returns the position from which it is in effect. `scope` is the one that the
/// caller needs, which depends on the dialect.
///
/// [`Fault::NotFound`] for an unknown user.
pub async fn change_availability(
    (caller, scope): (&Caller, Scope),
    submitter: &Submitter,
    reader: &Reader,
    clock: &Clock,
    (user, change): (EntityRef, Change),
) -> Result<u64, ChangeError> {
    caller.require(scope)?;
    let view = reader.snapshot(caller.tenant()).view;
    let subject = UserRef::Entity(user);
    let profile = view.directory().profile_of(&subject);
    let conf = profile.ok_or(Fault::NotFound("user"))?.channels.per_channel();
    if let Some((channel, _)) = change.channels.iter().find(|(channel, on)| *on && !conf[*channel].enabled) {
        return Err(ChangeError::NotEnabled(*channel));
    }
    let mut bodies = Vec::new();
    if !change.channels.is_empty() {
        let channels = change.channels;
        bodies.push(EventBody::StatusChanged { user: subject.clone(), presence: None, presence_id: None, channels });
    }
    if change.offline {
        bodies.push(EventBody::DeskClosedAll { user: subject });
    }
    let event = |body| Event::internal(SOURCE, clock.new_id(), clock.now(), body);
    let receipt = submitter.commit(caller.tenant(), bodies.into_iter().map(event).collect()).await?;
    let gone = |outcome: &Outcome| matches!(outcome, Outcome::Rejected(Rejection::UnknownUser));
    if receipt.outcomes.iter().any(gone) { Err(Fault::NotFound("user").into()) } else { Ok(receipt.position) }
}

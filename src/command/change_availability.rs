//! Somebody else than the desk switches a user's channels, or sends the user offline.

use crate::auth::Caller;
use crate::clock::Clock;
use crate::domain::event::Rejection;
use crate::domain::{Body, Channel, EntityRef, Event, Fault, Outcome, Scope, UserRef};
use crate::engine::{Reader, Submitter};

const SOURCE: &str = "rollcall:availability";

/// What is to change; all of it or nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// Channels switched on or off.
    pub channels: Vec<(Channel, bool)>,
    /// Whether every session is closed.
    pub offline: bool,
}

/// Changes a user's availability; answers the position at which it is in effect.
///
/// [`Fault::NotFound`] for an unknown user; [`Fault::Invalid`], naming `chat[available]` and the like, for switching
/// on a channel that the directory does not enable for the user.
pub async fn change_availability(
    caller: &Caller,
    submitter: &Submitter,
    reader: &Reader,
    clock: &Clock,
    (user, change): (EntityRef, Change),
) -> Result<u64, Fault> {
    caller.require(Scope::OperatorsWrite)?;
    let view = reader.snapshot(caller.tenant()).view;
    let subject = UserRef::Entity(user);
    let profile = view.directory().profile_of(&subject);
    let conf = profile.ok_or(Fault::NotFound("operator"))?.channels.per_channel();
    for (channel, on) in &change.channels {
        if *on && !conf[*channel].enabled {
            return Err(Fault::invalid(format!("{}[available]", channel.name()), "the channel is not enabled"));
        }
    }
    let mut bodies = Vec::new();
    if !change.channels.is_empty() {
        let channels = change.channels;
        bodies.push(Body::StatusChanged { user: subject.clone(), presence: None, presence_id: None, channels });
    }
    if change.offline {
        bodies.push(Body::DeskClosedAll { user: subject });
    }
    let event = |body| Event::internal(SOURCE, clock.new_id(), clock.now(), body);
    let receipt = submitter.commit(caller.tenant(), bodies.into_iter().map(event).collect()).await?;
    let gone = |outcome: &Outcome| matches!(outcome, Outcome::Rejected(Rejection::UnknownUser));
    if receipt.outcomes.iter().any(gone) { Err(Fault::NotFound("operator")) } else { Ok(receipt.position) }
}

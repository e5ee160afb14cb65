//! Commits events that a desk, an ACD or a back end reports.

use crate::auth::Caller;
use crate::domain::settings::Settings;
use crate::domain::{Event, Fault, Scope};
use crate::engine::{Receipt, Submitter};

/// Commits the caller's events and returns one outcome each. If the tenant does not keep texts of conversations, they
/// are removed here, so that not even the journal has them.
pub async fn post_events(
    caller: &Caller,
    submitter: &Submitter,
    settings: &Settings,
    mut events: Vec<Event>,
) -> Result<Receipt, Fault> {
    caller.require(Scope::EventsWrite)?;
    if !settings.conversation_text {
        events.iter_mut().for_each(|event| event.fact.body.drop_text());
    }
    submitter.commit(caller.tenant(), events).await
}

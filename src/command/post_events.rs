//! Commits events that a desk, an ACD or a back end reports.

use super::Context;
use crate::auth::EventsWrite;
use crate::domain::settings::Settings;
use crate::domain::{Event, Fault};
use crate::engine::Receipt;

/// Commits the caller's events and returns one outcome each. If the tenant does not keep texts of conversations, they
/// are removed here, so that not even the journal has them.
pub async fn post_events(
    context: &Context<'_, EventsWrite>,
    settings: &Settings,
    mut events: Vec<Event>,
) -> Result<Receipt, Fault> {
    if !settings.conversation_text {
        events.iter_mut().for_each(|event| event.fact.body.drop_text());
    }
    context.commit(events).await
}

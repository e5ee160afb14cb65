//! Commits an event of a connected desk.

use super::Link;
use crate::auth::EventsWrite;
use crate::command::Context;
use crate::command::post_events::post_events;
use crate::domain::event::Rejection;
use crate::domain::{Event, Fault, Outcome, Settings};

/// The result of a report.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// The tenant's position after the event.
    pub position: u64,
    /// The outcome of the event.
    pub outcome: Outcome,
    /// The rejection of the heartbeat, if the link's session is no longer open.
    pub ended: Option<Rejection>,
}

/// Commits the event, with a heartbeat before it if the renewal of the lease is `due`.
pub async fn report(
    context: Context<'_, EventsWrite>,
    settings: &Settings,
    link: &Link,
    due: bool,
    event: Event,
) -> Result<Report, Fault> {
    let heartbeat = due.then(|| link.heartbeat(&context));
    let events = heartbeat.into_iter().chain([event]).collect();
    let receipt = post_events(&context, settings, events).await?;
    let mut outcomes = receipt.outcomes.into_iter();
    let ended = match due.then(|| outcomes.next()).flatten() {
        Some(Outcome::Rejected(rejection)) => Some(rejection),
        _ => None,
    };
    let outcome = outcomes.next().ok_or(Fault::Internal)?;
    Ok(Report { position: receipt.position, outcome, ended })
}

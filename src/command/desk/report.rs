//! A desk that is connected reports what happened at it.

use super::Link;
use crate::auth::Caller;
use crate::clock::Clock;
use crate::command::post_events::post_events;
use crate::domain::event::Rejection;
use crate::domain::{Event, Fault, Outcome, Settings};
use crate::engine::Submitter;

/// What became of a report.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// The tenant's position after it.
    pub position: u64,
    /// What became of the event.
    pub outcome: Outcome,
    /// Why the connection is no longer the session's, if it is not.
    pub ended: Option<Rejection>,
}

/// Commits the event, and renews the lease with it where that is `due`.
pub async fn report(
    caller: &Caller,
    (submitter, settings): (&Submitter, &Settings),
    clock: &Clock,
    (link, due): (&Link, bool),
    event: Event,
) -> Result<Report, Fault> {
    let heartbeat = due.then(|| link.heartbeat(clock));
    let events = heartbeat.into_iter().chain([event]).collect();
    let receipt = post_events(caller, submitter, settings, events).await?;
    let mut outcomes = receipt.outcomes.into_iter();
    let ended = match due.then(|| outcomes.next()).flatten() {
        Some(Outcome::Rejected(rejection)) => Some(rejection),
        _ => None,
    };
    let outcome = outcomes.next().ok_or(Fault::Internal)?;
    Ok(Report { position: receipt.position, outcome, ended })
}

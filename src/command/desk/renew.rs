//! Renews the lease of a connected desk.

use std::time::Duration;

use super::Link;
use crate::auth::Caller;
use crate::clock::Clock;
use crate::domain::event::Rejection;
use crate::domain::{Fault, Outcome, Scope};
use crate::engine::Submitter;

/// Renews the link's lease, from the monotonic time `heard` at which the desk's message was received. Returns the
/// tenant's position, or the rejection if the link's session is no longer open.
pub async fn renew(
    caller: &Caller,
    submitter: &Submitter,
    clock: &Clock,
    (link, heard): (&Link, Duration),
) -> Result<Result<u64, Rejection>, Fault> {
    caller.require(Scope::EventsWrite)?;
    let receipt = submitter.commit_received(caller.tenant(), vec![link.heartbeat(clock)], heard).await?;
    Ok(match receipt.outcomes.into_iter().next() {
        Some(Outcome::Rejected(rejection)) => Err(rejection),
        _ => Ok(receipt.position),
    })
}

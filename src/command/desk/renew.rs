//! A desk is still there.

use std::time::Duration;

use super::Link;
use crate::auth::Caller;
use crate::clock::Clock;
use crate::domain::event::Rejection;
use crate::domain::{Fault, Outcome, Scope};
use crate::engine::Submitter;

/// Renews the connection's lease from when it was `heard` of, by monotonic time. Answers the tenant's position, or why
/// there is no lease any more.
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

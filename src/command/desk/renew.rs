//! Renews the lease of a connected desk.

use std::time::Duration;

use super::Link;
use crate::auth::EventsWrite;
use crate::command::Context;
use crate::domain::event::Rejection;
use crate::domain::{Fault, Outcome};

/// Renews the link's lease, from the monotonic time `heard` at which the desk's message was received. Returns the
/// tenant's position, or the rejection if the link's session is no longer open.
pub async fn renew(
    context: Context<'_, EventsWrite>,
    link: &Link,
    heard: Duration,
) -> Result<Result<u64, Rejection>, Fault> {
    let receipt = context.submitter.commit_received(context.tenant(), vec![link.heartbeat(&context)], heard).await?;
    Ok(match receipt.outcomes.into_iter().next() {
        Some(Outcome::Rejected(rejection)) => Err(rejection),
        _ => Ok(receipt.position),
    })
}

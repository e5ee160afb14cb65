//! A desk connects, for as long as it is heard of.

use super::{Link, event};
use crate::auth::Caller;
use crate::clock::Clock;
use crate::domain::event::{Rejection, Surface};
use crate::domain::{Body, Fault, Outcome, Scope, UserRef};
use crate::engine::Submitter;

/// When a desk past a limit may try again.
const RETRY_SECONDS: u32 = 30;

/// Who connects, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opening {
    /// The user, by integer id.
    pub user: i64,
    /// The session.
    pub session: Box<str>,
    /// A name for the device.
    pub device: Option<Box<str>>,
    /// Where.
    pub surface: Surface,
    /// How long it lasts unheard of, in seconds.
    pub lease_seconds: u32,
}

/// Opens the session, whether it was open or not; answers the position at which it is, and the connection.
///
/// [`Fault::NotFound`] for an unknown user, [`Fault::TooMany`] where a limit of open sessions is reached.
pub async fn connect(
    caller: &Caller,
    submitter: &Submitter,
    clock: &Clock,
    opening: Opening,
) -> Result<(u64, Link), Fault> {
    caller.require(Scope::EventsWrite)?;
    let Opening { user, session, device, surface, lease_seconds } = opening;
    let body = Body::DeskConnected {
        user: UserRef::id(user),
        session: session.clone(),
        lease_seconds: Some(lease_seconds),
        device,
        surface,
        socket: true,
    };
    let receipt = submitter.commit(caller.tenant(), vec![event(clock, body)]).await?;
    match receipt.outcomes.first() {
        // It passes when another desk of the user closes, or the administrator raises a limit.
        Some(Outcome::Rejected(Rejection::Limit { .. })) => return Err(Fault::TooMany { seconds: RETRY_SECONDS }),
        Some(Outcome::Rejected(_)) => return Err(Fault::NotFound("user")),
        _ => {}
    }
    // An id that was made just now is journalled, once.
    let opened = receipt.positions.first().copied().flatten().ok_or(Fault::Internal)?;
    Ok((receipt.position, Link { user, session, opened }))
}

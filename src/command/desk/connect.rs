//! Opens a desk's session, with a lease that heartbeats renew.

use super::{Link, SOURCE};
use crate::auth::EventsWrite;
use crate::command::Context;
use crate::domain::event::{Rejection, Surface};
use crate::domain::{EventBody, Fault, Outcome, UserRef};

/// Seconds after which a desk beyond a limit may try again.
const RETRY_SECONDS: u32 = 30;

/// A session to be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opening {
    /// The user's integer id.
    pub user: i64,
    /// The session's name.
    pub session: Box<str>,
    /// A name for the device.
    pub device: Option<Box<str>>,
    /// The place of the session: a desk or an administration.
    pub surface: Surface,
    /// Seconds after the newest heartbeat at which the session ends.
    pub lease_seconds: u32,
}

/// Opens the session, also if it is open already. Returns the position at which it is open, and the link to it.
///
/// [`Fault::NotFound`] for an unknown user, [`Fault::TooMany`] if a limit on open sessions is reached.
pub async fn connect(context: Context<'_, EventsWrite>, opening: Opening) -> Result<(u64, Link), Fault> {
    let Opening { user, session, device, surface, lease_seconds } = opening;
    let body = EventBody::DeskConnected {
        user: UserRef::id(user),
        session: session.clone(),
        lease_seconds: Some(lease_seconds),
        device,
        surface,
        socket: true,
    };
    let receipt = context.commit(vec![context.event(SOURCE, body)]).await?;
    match receipt.outcomes.first() {
        // Reported as temporary: it passes when another desk closes, or when the administrator raises the limit.
        Some(Outcome::Rejected(Rejection::Limit { .. })) => return Err(Fault::TooMany { seconds: RETRY_SECONDS }),
        Some(Outcome::Rejected(_)) => return Err(Fault::NotFound("user")),
        _ => {}
    }
    // An event with a new id is always journalled, so it has a position.
    let opened = receipt.positions.first().copied().flatten().ok_or(Fault::Internal)?;
    Ok((receipt.position, Link { user, session, opened }))
}

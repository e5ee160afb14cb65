//! Opens a desk's session, with a lease that heartbeats renew.

use tokio_util::sync::CancellationToken;

use super::{HeldSession, Link, SOURCE};
use crate::auth::EventsWrite;
use crate::command::Context;
use crate::domain::event::{Rejection, Surface};
use crate::domain::{EventBody, Fault, Outcome, UserRef};
use crate::store::Incarnation;

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

/// An opened session.
pub struct Opened {
    /// The tenant's position at which it is open.
    pub position: u64,
    /// The link to it.
    pub link: Link,
    /// The connection's hold of it.
    pub held: HeldSession,
}

/// Opens the session, also if it is open already. `superseded` is cancelled once it is opened for another connection, at
/// this or another server.
///
/// [`Fault::NotFound`] for an unknown user, [`Fault::TooMany`] if a limit on open sessions is reached.
pub async fn connect(
    context: Context<'_, EventsWrite>,
    opening: Opening,
    superseded: CancellationToken,
) -> Result<Opened, Fault> {
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
    let of = Incarnation { tenant: context.tenant(), user, session: session.clone(), opened };
    let held = context.submitter.hold_session(of, superseded);
    Ok(Opened { position: receipt.position, link: Link { user, session, opened }, held })
}

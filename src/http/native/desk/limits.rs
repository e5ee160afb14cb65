//! Limits on the messages of a desk, before and after its handshake.

use crate::auth::{Authorized, EventsWrite};
use crate::domain::Fault;
use crate::http::state::AppState;
use crate::http::websocket::{LATER, RESTART, Socket, TOO_BIG};

/// Close codes of the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// The desk violates the protocol.
    Policy = 1_008,
    /// A message is too long.
    TooBig = TOO_BIG as isize,
    /// The service stops or restarts: reconnect at once.
    Restart = RESTART as isize,
    /// Too many connections: reconnect later.
    Later = LATER as isize,
    /// The session no longer belongs to the connection.
    Ended = 4_001,
}

/// Number of invalid messages at which a connection is closed.
pub const MAX_ERRORS: u32 = 10;
/// Close reason of a socket that sends too many frames.
pub const TOO_FAST: &str = "too many messages";

/// The source of rejections of all desks of a tenant: the source of their events names user and session.
pub const DESK: &str = "desk";
/// Name of the rejection of a message that is none of the protocol, in metrics and logs.
pub const DESK_MESSAGE: &str = "desk_message";

/// Counts a message, and the events in it, against the tenant's rates; [`Fault::TooMany`] above one of them. Messages
/// of a socket without a pace do not count.
pub fn count(app: &AppState, socket: &Socket, caller: &Authorized<EventsWrite>, events: usize) -> Result<(), Fault> {
    if !socket.is_paced() {
        return Ok(());
    }
    app.tenants().count_message(caller.tenant())?;
    app.tenants().count_events(caller.tenant(), events)
}

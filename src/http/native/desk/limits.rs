//! Limits on the messages of a desk, before and after its handshake.

use super::socket::Socket;
use crate::auth::{Authorized, EventsWrite};
use crate::domain::Fault;
use crate::http::state::AppState;

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

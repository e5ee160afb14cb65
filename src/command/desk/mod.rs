//! The commands of a connected desk: open, renew, report and close. The server observes the connection itself, so these
//! events have the server as their source, and its time.

pub mod connect;
pub mod disconnect;
pub mod issue_ticket;
pub mod renew;
pub mod report;

pub use crate::engine::HeldSession;

use super::Context;
use crate::domain::{Event, EventBody, UserRef};

/// The source of these events.
const SOURCE: &str = "rollcall:desk";

/// The link of a connection to the session that it opened. A later connection that opens the same session has another
/// link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The user's integer id.
    pub user: i64,
    /// The session's name.
    pub session: Box<str>,
    /// Position of the `desk.connected` event that opened it.
    pub opened: u64,
}

impl Link {
    /// Makes a heartbeat of the session.
    fn heartbeat<P>(&self, context: &Context<'_, P>) -> Event {
        let (user, session) = (UserRef::id(self.user), self.session.clone());
        context.event(SOURCE, EventBody::DeskHeartbeat { user, session, opened: Some(self.opened) })
    }
}

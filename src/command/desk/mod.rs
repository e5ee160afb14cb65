//! A desk that stays connected: how it opens, stays, reports and closes. The server sees its connection come and go, so
//! these are its own events, with its own time.

pub mod connect;
pub mod disconnect;
pub mod issue_ticket;
pub mod renew;
pub mod report;

use crate::clock::Clock;
use crate::domain::{Body, Event, UserRef};

const SOURCE: &str = "rollcall:desk";

/// One connection of a desk: nobody else's session, and no other connection of the same session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Whose, by integer id.
    pub user: i64,
    /// The session.
    pub session: Box<str>,
    /// Position of the `desk.connected` that opened it.
    pub opened: u64,
}

impl Link {
    /// Says that it is still there.
    fn heartbeat(&self, clock: &Clock) -> Event {
        let (user, session) = (UserRef::id(self.user), self.session.clone());
        event(clock, Body::DeskHeartbeat { user, session, opened: Some(self.opened) })
    }
}

fn event(clock: &Clock, body: Body) -> Event {
    Event::internal(SOURCE, clock.new_id(), clock.now(), body)
}

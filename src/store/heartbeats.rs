//! Heartbeats in the store, so that the deadlines of leases outlast the server. PostgreSQL has a table of them; on the
//! embedded store a server keeps them in memory.

use std::time::Duration;

use crate::domain::{TenantId, Time};

/// One incarnation of a session.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Incarnation {
    /// The tenant of the session.
    pub tenant: TenantId,
    /// The user's integer id.
    pub user: i64,
    /// The session's name.
    pub session: Box<str>,
    /// The journal position of the event that opened it.
    pub opened: u64,
}

/// A sign of life of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    /// The session.
    pub of: Incarnation,
    /// The time since it was received.
    pub age: Duration,
}

/// Signs of life to be written, and sessions that ended. No two are of one session, whatever their incarnations.
#[derive(Clone, Debug, Default)]
pub struct Signs {
    /// The sessions that were heard.
    pub heard: Vec<Heard>,
    /// The incarnations that ended. The rows of these and earlier ones are deleted.
    pub ended: Vec<Incarnation>,
}

/// The clock that the table is written by.
#[derive(Clone, Copy, Debug)]
pub struct Reading {
    /// The time to use in place of the database's clock, for tests.
    pub now: Option<Time>,
    /// False if time may pass unnoticed between two writes, as with a clock that a test drives.
    pub counts_gaps: bool,
}

//! Events, the only way a tenant's state changes; their journal entries; and the outcome of applying one.

mod any_case;
mod body;
mod decode;
mod decode_conversation;
mod detail;
mod envelope;
pub mod members;
mod names;
mod outcome;
mod password;
mod reason;
mod refusal;

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub use any_case::AnyCase;
pub use body::{EventBody, Surface};
pub use decode::{admit, device};
pub use envelope::session;
pub use names::nearest;
pub use outcome::{Outcome, Rejection};
pub use password::PasswordHash;
pub use reason::Reason;
pub use refusal::Refusal;

use super::time::Time;

/// The identity of an event within its tenant. Two events with equal ids are the same event sent twice, and the second
/// is a duplicate.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId {
    /// The producer's name. Sources of the server's own events begin with [`INTERNAL_SOURCE`].
    pub source: Arc<str>,
    /// The id that the source gave the event.
    pub id: Box<str>,
}

/// Prefix of the source of every event that a dialect's write or the engine creates. Admission rejects it from callers.
pub const INTERNAL_SOURCE: &str = "rollcall:";

/// An event of one tenant.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Source and id; duplicates are detected by it.
    pub id: EventId,
    /// The part that the journal stores as JSON.
    pub fact: Fact,
}

impl Event {
    /// Creates an event of the server's own. `time` is service time, and the event is authoritative: it is never stale.
    pub fn internal(source: &'static str, id: Uuid, time: Time, body: EventBody) -> Self {
        debug_assert!(source.starts_with(INTERNAL_SOURCE));
        Event { id: EventId { source: source.into(), id: id.to_string().into() }, fact: Fact::new(time, body) }
    }

    /// Returns true if the server created the event. An authoritative write is applied at the later of its own time and
    /// the time of the value it replaces, so that it always takes effect.
    pub fn is_authoritative(&self) -> bool {
        self.id.source.starts_with(INTERNAL_SOURCE)
    }

    /// Returns true for heartbeats, which renew a lease and are not journalled.
    pub fn is_heartbeat(&self) -> bool {
        matches!(self.fact.body, EventBody::DeskHeartbeat { .. })
    }
}

/// The part of an event that the journal stores as JSON: its time and its body.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fact {
    /// Time at which it happened.
    pub time: Time,
    /// Type and data of the event.
    #[serde(flatten)]
    pub body: EventBody,
    /// True if the event's conversation was final when the event was journalled: closed so long ago that only the
    /// archive holds it. The state has dropped such a conversation and could not distinguish it from a new one, so the
    /// event carries the flag.
    #[serde(default, rename = "final", skip_serializing_if = "std::ops::Not::not")]
    pub is_final: bool,
}

impl Fact {
    /// Creates a fact that is not about a final conversation.
    pub const fn new(time: Time, body: EventBody) -> Self {
        Fact { time, body, is_final: false }
    }
}

/// An event with its position in the tenant's journal.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Position in the tenant's journal: contiguous, starting at 1.
    pub seq: u64,
    /// Service time at which it was journalled; never decreases within a tenant.
    pub recorded: Time,
    /// The event recorded at this position.
    pub event: Event,
}

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

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::de::IgnoredAny;
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

/// The part of an event that the journal stores as JSON: its time and its body. A member that this release does not know is
/// an error, since the release that wrote it applies it; admission drops what it ignores.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "StoredFact")]
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

/// A fact as it is stored, with the members that are unknown.
#[derive(Deserialize)]
struct StoredFact {
    time: Time,
    #[serde(flatten)]
    body: EventBody,
    #[serde(default, rename = "final")]
    is_final: bool,
    // Below `body`: members are taken out in this order. serde cannot deny what is unknown beside a flattened member.
    #[serde(flatten)]
    unknown: BTreeMap<String, IgnoredAny>,
}

/// Error: a stored fact has a member that this release does not know.
#[derive(Debug, thiserror::Error)]
#[error("unknown member `{0}`")]
struct UnknownMember(String);

impl TryFrom<StoredFact> for Fact {
    type Error = UnknownMember;

    fn try_from(stored: StoredFact) -> Result<Self, UnknownMember> {
        let StoredFact { time, body, is_final, unknown } = stored;
        match unknown.into_keys().next() {
            None => Ok(Fact { time, body, is_final }),
            Some(name) => Err(UnknownMember(name)),
        }
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

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// Returns the JSON pointers of all objects in a value.
    fn objects(value: &Value, at: &str) -> Vec<String> {
        let below = |key: &str, value: &Value| objects(value, &format!("{at}/{key}"));
        match value {
            Value::Object(members) => {
                let inner = members.iter().flat_map(|(key, value)| below(key, value));
                [at.to_owned()].into_iter().chain(inner).collect()
            }
            Value::Array(values) => {
                values.iter().enumerate().flat_map(|(n, value)| below(&n.to_string(), value)).collect()
            }
            _ => Vec::new(),
        }
    }

    #[test]
    fn a_stored_member_that_is_unknown_is_an_error_at_every_depth() {
        let document = json!({
            "settings": { "capacity": { "live": 50 } },
            "groups": [{ "id": 1, "name": "a" }],
            "users": [{
                "id": 1, "name": "a", "channels": { "chat": { "enabled": true } }, "capacity": { "live": 50 },
                "profile": {},
            }],
        });
        let board = json!({
            "pages": [{ "tiles": [{ "type": "rows", "by": "group", "filters": { "group": [1] } }] }],
        });
        let roles = json!({ "with_password": null, "without_password": ["operator"] });
        let facts = [
            ("desk.connected", json!({ "user": "1", "session": "a", "lease_seconds": 30 })),
            ("status.changed", json!({ "user": "1", "channels": [["chat", true]] })),
            ("directory.upserted", json!({ "document": document, "roles": roles })),
            ("limits.set", json!({ "limits": {} })),
            ("wallboard.put", json!({ "name": "a", "board": board })),
            ("conversation.closed", json!({ "conversation": Uuid::nil(), "reason": "a" })),
        ];
        for (name, data) in facts {
            let stored = json!({ "time": "2021-03-01T09:00:00Z", "type": name, "data": data, "final": true });
            let fact: Fact = serde_json::from_str(&stored.to_string()).unwrap();
            let again: Fact = serde_json::from_str(&serde_json::to_string(&fact).unwrap()).unwrap();
            assert!(again == fact && fact.is_final, "{name}");
            for pointer in objects(&stored, "") {
                let mut with = stored.clone();
                with.pointer_mut(&pointer).unwrap()["later"] = json!(1);
                let read = serde_json::from_str::<Fact>(&with.to_string());
                let message = read.err().map(|error| error.to_string()).unwrap_or_default();
                assert!(message.contains("later"), "{name} {pointer}: {message}");
            }
        }
    }
}

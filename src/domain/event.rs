//! What changes a tenant's state: an event, its place in the journal, and what became of it.

mod admission;
mod password;

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub use admission::{Refusal, admit};
pub use password::PasswordHash;

use super::channel::Channel;
use super::conversation::ConversationId;
use super::directory::{Changes, Document, Problem};
use super::ids::UserRef;
use super::presence::Category;
use super::time::Time;

/// The identity of an event within its tenant: two events with equal ids are one event, sent twice.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId {
    /// Who says so; ours begin with [`INTERNAL_SOURCE`].
    pub source: Arc<str>,
    /// The source's own id of the event.
    pub id: Box<str>,
}

/// What the source of an event begins with when a dialect's write or the engine made it.
pub const INTERNAL_SOURCE: &str = "rollcall:";

/// Something that happened to one tenant.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Identity.
    pub id: EventId,
    /// What is kept of it in the journal.
    pub fact: Fact,
}

impl Event {
    /// An event that the server itself makes. Its time is the server's, and it is authoritative: never stale.
    pub fn internal(source: &'static str, id: Uuid, time: Time, body: Body) -> Self {
        debug_assert!(source.starts_with(INTERNAL_SOURCE));
        Event { id: EventId { source: source.into(), id: id.to_string().into() }, fact: Fact { time, body } }
    }

    /// Whether the server made it: such a write is taken at the later of its time and that of what it sets.
    pub fn is_authoritative(&self) -> bool {
        self.id.source.starts_with(INTERNAL_SOURCE)
    }

    /// Heartbeats renew a lease and leave no trace in the journal.
    pub fn is_heartbeat(&self) -> bool {
        matches!(self.fact.body, Body::DeskHeartbeat { .. })
    }
}

/// When and what: the part of an event that the journal keeps as JSON.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fact {
    /// When it happened.
    pub time: Time,
    /// What happened.
    #[serde(flatten)]
    pub body: Body,
}

/// Where a session is open. Only desks make a person connected (CONTRACTS.md 6, row 22).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Surface {
    /// Where work is done.
    #[default]
    Desk,
    /// Where things are set up.
    Administration,
}

/// What happened, by the types of EVENTS.md.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data")]
pub enum Body {
    /// A session opens.
    #[serde(rename = "desk.connected")]
    DeskConnected {
        /// Whose.
        user: UserRef,
        /// The session, within the user.
        session: Box<str>,
        /// How long it lasts without a heartbeat, in seconds; without end when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        lease_seconds: Option<u32>,
        /// A name for the device.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        device: Option<Box<str>>,
        /// Where.
        #[serde(default)]
        surface: Surface,
    },
    /// A session is still there.
    #[serde(rename = "desk.heartbeat")]
    DeskHeartbeat {
        /// Whose.
        user: UserRef,
        /// Which.
        session: Box<str>,
    },
    /// A session closes.
    #[serde(rename = "desk.disconnected")]
    DeskDisconnected {
        /// Whose.
        user: UserRef,
        /// Which.
        session: Box<str>,
    },
    /// Internal: every session of the user closes.
    #[serde(rename = "desk.closed_all")]
    DeskClosedAll {
        /// Whose.
        user: UserRef,
    },
    /// Internal: a lease ran out.
    #[serde(rename = "desk.lease_expired")]
    DeskLeaseExpired {
        /// Whose.
        user: UserRef,
        /// Which.
        session: Box<str>,
        /// Position of the `desk.connected` that it ends.
        opened: u64,
    },
    /// The person chose a presence, or switched channels.
    #[serde(rename = "status.changed")]
    StatusChanged {
        /// Who.
        user: UserRef,
        /// The presence chosen.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        presence: Option<Category>,
        /// The definition chosen.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        presence_id: Option<Uuid>,
        /// The channels switched on or off.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        channels: Vec<(Channel, bool)>,
    },
    /// The user holds the conversation; whoever held it lets go.
    #[serde(rename = "slot.taken")]
    SlotTaken {
        /// Who.
        user: UserRef,
        /// On which channel.
        channel: Channel,
        /// Which conversation.
        conversation: ConversationId,
    },
    /// The user, or whoever holds it, lets go of the conversation.
    #[serde(rename = "slot.released")]
    SlotReleased {
        /// Whose claim ends; anyone's when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        user: Option<UserRef>,
        /// Which conversation.
        conversation: ConversationId,
    },
    /// The user's full set on the channel.
    #[serde(rename = "slots.synced")]
    SlotsSynced {
        /// Who.
        user: UserRef,
        /// On which channel.
        channel: Channel,
        /// All that the user holds there.
        conversations: Vec<ConversationId>,
    },
    /// Internal: reference data and users made or changed.
    #[serde(rename = "directory.upserted")]
    DirectoryUpserted {
        /// The changes.
        document: Arc<Document>,
    },
    /// Internal: a user is gone.
    #[serde(rename = "user.deleted")]
    UserDeleted {
        /// Who.
        user: UserRef,
    },
    /// Internal: a user has another password. Tokens that were given for the one before are worth nothing from then on.
    #[serde(rename = "user.password_set")]
    PasswordSet {
        /// Whose.
        user: UserRef,
        /// What is kept of it.
        hash: PasswordHash,
    },
}

/// An event at its place in the tenant's journal.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Position: contiguous from 1.
    pub seq: u64,
    /// When it was journalled, by the server's clock; never goes back within a tenant.
    pub recorded: Time,
    /// The event.
    pub event: Event,
}

/// What became of an event (EVENTS.md, "Envelope").
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// It changed state, or confirmed it.
    Applied,
    /// It changed the directory so.
    Upserted(Changes),
    /// True, but something newer overrode all of it.
    Stale,
    /// Taken before.
    Duplicate,
    /// Refused; state is as before.
    Rejected(Rejection),
}

impl Outcome {
    /// The outcome's name on the wire.
    pub const fn name(&self) -> &'static str {
        match self {
            Outcome::Applied | Outcome::Upserted(_) => "applied",
            Outcome::Stale => "stale",
            Outcome::Duplicate => "duplicate",
            Outcome::Rejected(_) => "rejected",
        }
    }
}

/// Why an event was refused.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Rejection {
    /// No such user, or deleted.
    #[error("unknown user")]
    UnknownUser,
    /// No such session, or closed.
    #[error("unknown or closed session: reconnect")]
    UnknownSession,
    /// No such presence definition, or one that cannot be chosen.
    #[error("unknown presence definition")]
    UnknownPresence,
    /// The definition is of another category than the presence given with it.
    #[error("presence and presence_id do not agree")]
    PresenceMismatch,
    /// The lease's session was renewed or closed meanwhile.
    #[error("another incarnation of the session is open, or none")]
    OtherIncarnation,
    /// The directory document cannot be taken.
    #[error("the document is refused")]
    Document(Vec<Problem>),
}

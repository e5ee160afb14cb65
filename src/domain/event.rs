//! Events, the only way a tenant's state changes; their journal entries; and the outcome of applying one.

mod admission;
mod conversation;
mod password;

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub use admission::{Refusal, admit, device, session};
pub use password::PasswordHash;

use super::channel::Channel;
use super::conversation::{ConversationId, Medium};
use super::directory::{Changes, Document, Problem};
use super::ids::{EntityRef, UserRef};
use super::presence::Category;
use super::settings::limits::{Quota, Quotas};
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
    pub fn internal(source: &'static str, id: Uuid, time: Time, body: Body) -> Self {
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
        matches!(self.fact.body, Body::DeskHeartbeat { .. })
    }
}

/// The part of an event that the journal stores as JSON: its time and its body.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fact {
    /// Time at which it happened.
    pub time: Time,
    /// Type and data of the event.
    #[serde(flatten)]
    pub body: Body,
    /// True if the event's conversation was final when the event was journalled: closed so long ago that only the
    /// archive holds it. The state has dropped such a conversation and could not distinguish it from a new one, so the
    /// event carries the flag.
    #[serde(default, rename = "final", skip_serializing_if = "std::ops::Not::not")]
    pub is_final: bool,
}

impl Fact {
    /// Creates a fact that is not about a final conversation.
    pub const fn new(time: Time, body: Body) -> Self {
        Fact { time, body, is_final: false }
    }
}

/// The kind of application in which a session is open. Only desks make a person connected (CONTRACTS.md 6, row 22).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Surface {
    /// The application in which a user handles conversations.
    #[default]
    Desk,
    /// The application in which users and settings are administered.
    Administration,
}

/// Type and data of an event, by the types of EVENTS.md.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data")]
pub enum Body {
    /// A session opens.
    #[serde(rename = "desk.connected")]
    DeskConnected {
        /// The user of the session.
        user: UserRef,
        /// Session id, unique within the user.
        session: Box<str>,
        /// Seconds the session stays open without a heartbeat; unlimited when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        lease_seconds: Option<u32>,
        /// Name of the device, as the desk gave it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        device: Option<Box<str>>,
        /// Application in which the session is open.
        #[serde(default)]
        surface: Surface,
        /// True if a WebSocket of this server opened the session; it then counts towards the sockets per user. Never
        /// set by an external source.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        socket: bool,
    },
    /// A session is still open.
    #[serde(rename = "desk.heartbeat")]
    DeskHeartbeat {
        /// The user of the session.
        user: UserRef,
        /// Session id, unique within the user.
        session: Box<str>,
        /// Journal position of the `desk.connected` whose lease is renewed. When absent, the lease of the open session
        /// with this id is renewed, whenever it was opened.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        opened: Option<u64>,
    },
    /// A session closes.
    #[serde(rename = "desk.disconnected")]
    DeskDisconnected {
        /// The user of the session.
        user: UserRef,
        /// Session id, unique within the user.
        session: Box<str>,
        /// Journal position of the `desk.connected` that is closed. When absent, the open session with this id is
        /// closed, whenever it was opened.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        opened: Option<u64>,
    },
    /// Internal: every session of the user closes.
    #[serde(rename = "desk.closed_all")]
    DeskClosedAll {
        /// The user of the sessions.
        user: UserRef,
    },
    /// Internal: a session's lease expired without a heartbeat.
    #[serde(rename = "desk.lease_expired")]
    DeskLeaseExpired {
        /// The user of the session.
        user: UserRef,
        /// Session id, unique within the user.
        session: Box<str>,
        /// Journal position of the `desk.connected` that is closed.
        opened: u64,
    },
    /// The person chose a presence, or switched channels.
    #[serde(rename = "status.changed")]
    StatusChanged {
        /// The user that made the choice.
        user: UserRef,
        /// Category chosen, if it was chosen directly.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        presence: Option<Category>,
        /// GUID of the presence definition chosen, if one was.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        presence_id: Option<Uuid>,
        /// Channels switched on (true) or off (false).
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        channels: Vec<(Channel, bool)>,
    },
    /// The user holds the conversation; the previous holder's claim ends.
    #[serde(rename = "slot.taken")]
    SlotTaken {
        /// The user that takes the conversation.
        user: UserRef,
        /// Channel of the slot.
        channel: Channel,
        /// The conversation taken.
        conversation: ConversationId,
    },
    /// The claim on the conversation ends, be it the given user's or the current holder's.
    #[serde(rename = "slot.released")]
    SlotReleased {
        /// The user that releases it; the current holder when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        user: Option<UserRef>,
        /// The conversation released.
        conversation: ConversationId,
    },
    /// The complete set of conversations that the user holds on the channel.
    #[serde(rename = "slots.synced")]
    SlotsSynced {
        /// The user that holds the conversations.
        user: UserRef,
        /// Channel of the slots.
        channel: Channel,
        /// All conversations held on the channel; any other claim of the user there ends.
        conversations: Vec<ConversationId>,
    },
    /// A conversation starts.
    #[serde(rename = "conversation.started")]
    ConversationStarted {
        /// Id of the conversation.
        conversation: Uuid,
        /// Project (web site) of the conversation.
        project: EntityRef,
        /// Medium on which it takes place.
        channel: Medium,
    },
    /// A conversation is routed: a rule or a group is to find a user for it.
    #[serde(rename = "conversation.routed")]
    ConversationRouted {
        /// Id of the conversation.
        conversation: Uuid,
        /// The routing rule, if the source named one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        routing_rule: Option<EntityRef>,
        /// The routing group, if the source named one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        routing_group: Option<EntityRef>,
    },
    /// A contact with the user begins; the user takes the slot.
    #[serde(rename = "conversation.pushed")]
    ConversationPushed {
        /// The user that takes the conversation.
        user: UserRef,
        /// Id of the conversation.
        conversation: Uuid,
        /// Medium on which it takes place; it decides the channel of the slot.
        channel: Medium,
        /// Project (web site) of the conversation, if the source named it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        project: Option<EntityRef>,
    },
    /// A message of a participant.
    #[serde(rename = "conversation.message")]
    ConversationMessage {
        /// The user, if a user is the author.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        user: Option<UserRef>,
        /// Id of the conversation.
        conversation: Uuid,
        /// The author, as the source names it.
        author: Box<str>,
        /// The text, if the tenant keeps texts.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        text: Option<Box<str>>,
    },
    /// The contact ends by transfer; the slot is released.
    #[serde(rename = "conversation.transferred")]
    ConversationTransferred {
        /// Id of the conversation.
        conversation: Uuid,
        /// Routing group that takes over, if the source named one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        to_group: Option<EntityRef>,
        /// Routing rule that takes over, if the source named one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        to_rule: Option<EntityRef>,
    },
    /// The contact ends by snooze; the slot is released.
    #[serde(rename = "conversation.snoozed")]
    ConversationSnoozed {
        /// Id of the conversation.
        conversation: Uuid,
        /// Time at which it is to resume.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<Time>,
    },
    /// The contact ends for an unknown reason; the slot is released.
    #[serde(rename = "conversation.removed")]
    ConversationRemoved {
        /// Id of the conversation.
        conversation: Uuid,
    },
    /// Contact and conversation end; the slot is released.
    #[serde(rename = "conversation.closed")]
    ConversationClosed {
        /// Id of the conversation.
        conversation: Uuid,
        /// The reason, as the source gave it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<Box<str>>,
    },
    /// Internal: reference data and users are created or changed.
    #[serde(rename = "directory.upserted")]
    DirectoryUpserted {
        /// The entities to create or change.
        document: Arc<Document>,
    },
    /// Internal: a user is deleted.
    #[serde(rename = "user.deleted")]
    UserDeleted {
        /// The user deleted.
        user: UserRef,
    },
    /// Internal: a user's password is set. Tokens issued for the previous password are invalid from then on.
    #[serde(rename = "user.password_set")]
    PasswordSet {
        /// The user of the password.
        user: UserRef,
        /// Argon2id hash; the password itself is never stored.
        hash: PasswordHash,
    },
    /// Internal: the tenant's quotas are set. They replace all quotas set before.
    #[serde(rename = "limits.set")]
    LimitsSet {
        /// All quotas set from now on; an absent one has its default.
        limits: Quotas,
    },
}

impl Body {
    /// The conversation to whose history the event belongs. `None` for all other events: `slot.*` and `slots.synced`
    /// name conversations but leave no history.
    pub const fn conversation(&self) -> Option<Uuid> {
        match self {
            Body::ConversationStarted { conversation, .. }
            | Body::ConversationRouted { conversation, .. }
            | Body::ConversationPushed { conversation, .. }
            | Body::ConversationMessage { conversation, .. }
            | Body::ConversationTransferred { conversation, .. }
            | Body::ConversationSnoozed { conversation, .. }
            | Body::ConversationRemoved { conversation }
            | Body::ConversationClosed { conversation, .. } => Some(*conversation),
            _ => None,
        }
    }

    /// Removes the text of a message; other bodies stay as they are.
    pub fn drop_text(&mut self) {
        if let Body::ConversationMessage { text, .. } = self {
            *text = None;
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

/// The result of applying an event (EVENTS.md, "Envelope").
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// It changed the state, or confirmed it.
    Applied,
    /// A take by an unknown or deleted user. It was applied in so far as the previous holder's claim ended.
    HolderReleased,
    /// A directory document was applied, with these counts.
    Upserted(Changes),
    /// Valid, but newer events override all of it.
    Stale,
    /// An event with the same source and id was taken before.
    Duplicate,
    /// Rejected; nothing observable has changed.
    Rejected(Rejection),
}

impl Outcome {
    /// The outcome's name on the wire.
    pub const fn name(&self) -> &'static str {
        match self {
            // `HolderReleased` ended a claim, so it counts as applied.
            Outcome::Applied | Outcome::HolderReleased | Outcome::Upserted(_) => "applied",
            Outcome::Stale => "stale",
            Outcome::Duplicate => "duplicate",
            Outcome::Rejected(_) => "rejected",
        }
    }

    /// The reason sent with the outcome on the wire, if it has one.
    pub fn reason(&self) -> Option<String> {
        match self {
            Outcome::HolderReleased => Some(String::from("unknown user; previous holder released")),
            Outcome::Rejected(rejection) => Some(rejection.to_string()),
            Outcome::Applied | Outcome::Upserted(_) | Outcome::Stale | Outcome::Duplicate => None,
        }
    }
}

/// The reason for which an event was rejected.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Rejection {
    /// The user does not exist or is deleted.
    #[error("unknown user")]
    UnknownUser,
    /// The session does not exist or is closed.
    #[error("unknown or closed session: reconnect")]
    UnknownSession,
    /// The presence definition does not exist, or means logged out, which cannot be chosen.
    #[error("unknown presence definition")]
    UnknownPresence,
    /// The definition's category differs from the presence given with it.
    #[error("presence and presence_id do not agree")]
    PresenceMismatch,
    /// The session was reopened or closed since the `desk.connected` at the given position.
    #[error("the session was reopened or closed")]
    OtherIncarnation,
    /// The conversation's history has reached its maximum length.
    #[error("the conversation is full: it keeps at most 1000 messages and 1000 other events")]
    ConversationFull,
    /// The store rejects the event's content. It is not journalled, and its id may be used again.
    #[error("the store cannot keep the event")]
    Unstorable,
    /// A quota of the tenant is used up.
    #[error("the limit {name} of {limit} is reached")]
    Limit {
        /// Name of the quota on the wire.
        name: &'static str,
        /// The quota in force.
        limit: u32,
    },
    /// The directory document has problems; none of it is applied.
    #[error("the document is refused")]
    Document(Vec<Problem>),
}

impl Rejection {
    /// The rejection for a used-up quota.
    pub const fn limit(quota: Quota, limit: u32) -> Self {
        Rejection::Limit { name: quota.name(), limit }
    }
}

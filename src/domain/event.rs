//! What changes a tenant's state: an event, its place in the journal, and what became of it.

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
        Event { id: EventId { source: source.into(), id: id.to_string().into() }, fact: Fact::new(time, body) }
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
    /// It is about a conversation that was final when this was journalled: closed so long ago that only the archive has
    /// it. The state, which has forgotten it, could not tell it from a new one; so the event says it.
    #[serde(default, rename = "final", skip_serializing_if = "std::ops::Not::not")]
    pub is_final: bool,
}

impl Fact {
    /// Something that happened.
    pub const fn new(time: Time, body: Body) -> Self {
        Fact { time, body, is_final: false }
    }
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
        /// A socket of ours opens it, so that it counts among the user's sockets. Never set by a source.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        socket: bool,
    },
    /// A session is still there.
    #[serde(rename = "desk.heartbeat")]
    DeskHeartbeat {
        /// Whose.
        user: UserRef,
        /// Which.
        session: Box<str>,
        /// Position of the `desk.connected` whose lease it renews, and no other's; whichever is open when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        opened: Option<u64>,
    },
    /// A session closes.
    #[serde(rename = "desk.disconnected")]
    DeskDisconnected {
        /// Whose.
        user: UserRef,
        /// Which.
        session: Box<str>,
        /// Position of the `desk.connected` that it ends, and no other; whichever is open when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        opened: Option<u64>,
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
    /// A conversation exists.
    #[serde(rename = "conversation.started")]
    ConversationStarted {
        /// Which.
        conversation: Uuid,
        /// On whose site.
        project: EntityRef,
        /// Where it takes place.
        channel: Medium,
    },
    /// A conversation was given to a rule or a group to find somebody.
    #[serde(rename = "conversation.routed")]
    ConversationRouted {
        /// Which.
        conversation: Uuid,
        /// The rule.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        routing_rule: Option<EntityRef>,
        /// The routing group.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        routing_group: Option<EntityRef>,
    },
    /// A contact with the user begins, who takes the slot.
    #[serde(rename = "conversation.pushed")]
    ConversationPushed {
        /// Who.
        user: UserRef,
        /// Which conversation.
        conversation: Uuid,
        /// Where it takes place.
        channel: Medium,
        /// On whose site.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        project: Option<EntityRef>,
    },
    /// Somebody wrote or said something.
    #[serde(rename = "conversation.message")]
    ConversationMessage {
        /// Which user, if one did.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        user: Option<UserRef>,
        /// In which conversation.
        conversation: Uuid,
        /// Who, in the source's words.
        author: Box<str>,
        /// What, where the tenant keeps it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        text: Option<Box<str>>,
    },
    /// The contact ends by transfer; the slot is released.
    #[serde(rename = "conversation.transferred")]
    ConversationTransferred {
        /// Which conversation.
        conversation: Uuid,
        /// The routing group that is to go on.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        to_group: Option<EntityRef>,
        /// The rule that is to find somebody.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        to_rule: Option<EntityRef>,
    },
    /// The contact ends by snooze; the slot is released.
    #[serde(rename = "conversation.snoozed")]
    ConversationSnoozed {
        /// Which conversation.
        conversation: Uuid,
        /// When it is to go on.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<Time>,
    },
    /// The contact ends for a reason unknown; the slot is released.
    #[serde(rename = "conversation.removed")]
    ConversationRemoved {
        /// Which conversation.
        conversation: Uuid,
    },
    /// Contact and conversation end; the slot is released.
    #[serde(rename = "conversation.closed")]
    ConversationClosed {
        /// Which.
        conversation: Uuid,
        /// Why, in the source's words.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<Box<str>>,
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
    /// Internal: what the tenant may keep. It replaces all that was set before.
    #[serde(rename = "limits.set")]
    LimitsSet {
        /// The quotas.
        limits: Quotas,
    },
}

impl Body {
    /// The conversation whose history this is part of. Slots alone make no history.
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

    /// Leaves out what somebody wrote or said.
    pub fn drop_text(&mut self) {
        if let Body::ConversationMessage { text, .. } = self {
            *text = None;
        }
    }
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
    /// The user is unknown or deleted; the take ended the claim of the user who held the conversation.
    HolderReleased,
    /// It changed the directory so.
    Upserted(Changes),
    /// True, but something newer overrode all of it.
    Stale,
    /// Taken before.
    Duplicate,
    /// Refused; nothing that can be seen has changed.
    Rejected(Rejection),
}

impl Outcome {
    /// The outcome's name on the wire.
    pub const fn name(&self) -> &'static str {
        match self {
            Outcome::Applied | Outcome::HolderReleased | Outcome::Upserted(_) => "applied",
            Outcome::Stale => "stale",
            Outcome::Duplicate => "duplicate",
            Outcome::Rejected(_) => "rejected",
        }
    }

    /// The reason that goes with the outcome on the wire.
    pub fn reason(&self) -> Option<String> {
        match self {
            Outcome::HolderReleased => Some(String::from("unknown user; previous holder released")),
            Outcome::Rejected(rejection) => Some(rejection.to_string()),
            Outcome::Applied | Outcome::Upserted(_) | Outcome::Stale | Outcome::Duplicate => None,
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
    /// More has happened in the conversation than is kept of one.
    #[error("the conversation has had its 1000 messages, or its 1000 other events")]
    ConversationFull,
    /// The store refuses its content. It is not journalled, and its id is free.
    #[error("the store cannot keep the event")]
    Unstorable,
    /// The tenant keeps as much as it may.
    #[error("the limit {name} of {limit} is reached")]
    Limit {
        /// The quota's name.
        name: &'static str,
        /// Its number.
        limit: u32,
    },
    /// The directory document cannot be taken.
    #[error("the document is refused")]
    Document(Vec<Problem>),
}

impl Rejection {
    /// A quota that is used up.
    pub const fn limit(quota: Quota, limit: u32) -> Self {
        Rejection::Limit { name: quota.name(), limit }
    }
}

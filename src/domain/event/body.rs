//! Types and data of events, as the journal stores them.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::password::PasswordHash;
use crate::domain::board::{Board, Expected};
use crate::domain::channel::Channel;
use crate::domain::conversation::{ConversationId, Medium};
use crate::domain::directory::Document;
use crate::domain::ids::{EntityRef, UserRef};
use crate::domain::presence::Category;
use crate::domain::role::RoleGrant;
use crate::domain::settings::limits::Quotas;
use crate::domain::time::Time;

/// The kind of application in which a session is open. Only desks make a person connected
/// (docs/reference/events.md, "Desks").
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Surface {
    /// The application in which a user handles conversations.
    #[default]
    Desk,
    /// The application in which users and settings are administered.
    Administration,
}

/// Type and data of an event, by the types of docs/reference/events.md. A member that this release does not know is an
/// error: another release applies it (docs/decisions/0128-releases.md).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data", deny_unknown_fields)]
pub enum EventBody {
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
        /// The roles that it may give.
        #[serde(default, skip_serializing_if = "RoleGrant::is_unlimited")]
        roles: RoleGrant,
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
        /// Id of the key that set it: log-ins end with the key, and may do nothing that it may not. `None` for
        /// passwords of releases that did not record it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<Uuid>,
    },
    /// Internal: a user logged in with e-mail and password, for the first time.
    #[serde(rename = "user.logged_in")]
    UserLoggedIn {
        /// The user that logged in.
        user: UserRef,
    },
    /// Internal: the tenant's quotas are set. They replace all quotas set before.
    #[serde(rename = "limits.set")]
    LimitsSet {
        /// All quotas set from now on; an absent one has its default.
        limits: Quotas,
    },
    /// Internal: a wallboard is created or replaced.
    #[serde(rename = "wallboard.put")]
    WallboardPut {
        /// The wallboard's name.
        name: Box<str>,
        /// The wallboard.
        board: Arc<Board>,
        /// The state that the one in place must be in; any if absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        expected: Option<Expected>,
    },
    /// Internal: a wallboard is deleted.
    #[serde(rename = "wallboard.deleted")]
    WallboardDeleted {
        /// The wallboard's name.
        name: Box<str>,
        /// The state that it must be in; any if absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        expected: Option<Expected>,
    },
}

impl EventBody {
    /// The conversation to whose history the event belongs. `None` for all other events: `slot.*` and `slots.synced`
    /// name conversations but leave no history.
    pub const fn conversation(&self) -> Option<Uuid> {
        match self {
            EventBody::ConversationStarted { conversation, .. }
            | EventBody::ConversationRouted { conversation, .. }
            | EventBody::ConversationPushed { conversation, .. }
            | EventBody::ConversationMessage { conversation, .. }
            | EventBody::ConversationTransferred { conversation, .. }
            | EventBody::ConversationSnoozed { conversation, .. }
            | EventBody::ConversationRemoved { conversation }
            | EventBody::ConversationClosed { conversation, .. } => Some(*conversation),
            _ => None,
        }
    }

    /// Removes the text of a message; other bodies stay as they are.
    pub fn drop_text(&mut self) {
        if let EventBody::ConversationMessage { text, .. } = self {
            *text = None;
        }
    }
}

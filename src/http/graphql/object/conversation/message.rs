//! Messages: texts, and system messages about the course of a conversation
//! (docs/reference/iadvize-graphql.md, "Conversations").

use std::fmt::{self, Display};
use std::str::FromStr;
use std::sync::Arc;

use async_graphql::{Context, Interface, Object, Result, SimpleObject, Union};

use super::Channel;
use crate::domain::EntityRef;
use crate::domain::conversation::{Conversation, HistoryEntry, HistoryEvent, Medium, NamedUser};
use crate::http::graphql::QueryContext;
use crate::http::graphql::object::routing::{RoutingGroup, RoutingRule};
use crate::http::graphql::object::user::User;
use crate::http::graphql::paging::Cursor;
use crate::http::graphql::scalar::{DateTime, Guid};

/// One message of a conversation: a text, or a system message about its course.
#[derive(Interface)]
#[graphql(
    field(name = "id", ty = "Guid", desc = "GUID, derived from the event: the same event always gives the same GUID."),
    field(name = "created_at", ty = "DateTime", desc = "Time of the message.")
)]
pub enum Message {
    /// An event in the course of the conversation.
    System(SystemMessage),
    /// A text that was written or spoken.
    Text(TextMessage),
}

impl Message {
    /// Converts an entry of a history; `None` for starts and routings, which are not messages.
    pub(super) fn of(entry: Entry) -> Option<Self> {
        let found = entry.get()?;
        let (id, at) = (Guid(found.id), DateTime(found.time));
        let named = |id| NamedUser { id, at: found.seq };
        let (to_user, attachment) = match &found.event {
            HistoryEvent::Pushed { user, medium, .. } => {
                let (user, medium) = (named(*user), *medium);
                (Some(user), SystemAttachment::Pushed(ConversationPushedSystemAttachment { user, medium }))
            }
            HistoryEvent::Snoozed { until } => {
                let until = until.map(DateTime);
                (None, SystemAttachment::Snoozed(ConversationSnoozedSystemAttachment { until }))
            }
            HistoryEvent::Transferred { group, rule } => {
                let (group, rule) = (*group, *rule);
                (None, SystemAttachment::Transferred(ConversationTransferredSystemAttachment { group, rule }))
            }
            HistoryEvent::Removed {} => {
                (None, SystemAttachment::Removed(ConversationRemovedSystemAttachment { removed_at: at }))
            }
            HistoryEvent::Closed { reason } => {
                let reason = reason.clone().map(String::from);
                (None, SystemAttachment::Closed(ConversationClosedSystemAttachment { reason }))
            }
            HistoryEvent::Message { user, .. } => {
                let user = user.map(named);
                return Some(Message::Text(TextMessage { id, at, user, entry }));
            }
            HistoryEvent::Started { .. } | HistoryEvent::Routed { .. } => return None,
        };
        Some(Message::System(SystemMessage { id, at, to_user, attachment }))
    }
}

/// The place of a message in its conversation: the order of time, then of the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct EntryKey {
    micros: i64,
    seq: u64,
}

impl EntryKey {
    /// Returns the place of an entry of a history; `None` for starts and routings, which are not messages.
    pub(super) fn of(entry: &HistoryEntry) -> Option<Cursor<Self>> {
        let is_message = !matches!(entry.event, HistoryEvent::Started { .. } | HistoryEvent::Routed { .. });
        let key = EntryKey { micros: entry.time.micros(), seq: entry.seq };
        is_message.then_some(Cursor { key, guid: entry.id })
    }
}

impl Display for EntryKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.micros, self.seq)
    }
}

impl FromStr for EntryKey {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (micros, seq) = text.split_once('.').ok_or(())?;
        Ok(EntryKey { micros: micros.parse().map_err(drop)?, seq: seq.parse().map_err(drop)? })
    }
}

/// An entry of a conversation's history by its place. It refers to the conversation, so that a list of messages copies
/// no text that is not selected.
pub struct Entry {
    /// The conversation, with its whole history.
    pub conversation: Arc<Conversation>,
    /// The entry's index in the history.
    pub place: usize,
}

impl Entry {
    fn get(&self) -> Option<&HistoryEntry> {
        self.conversation.history().get(self.place)
    }
}

/// A system message: a push, snooze, transfer, removal or close of the conversation.
pub struct SystemMessage {
    id: Guid,
    at: DateTime,
    to_user: Option<NamedUser>,
    attachment: SystemAttachment,
}

/// A system message: a push, snooze, transfer, removal or close of the conversation.
#[Object]
impl SystemMessage {
    /// GUID, derived from the event: the same event always gives the same GUID.
    async fn id(&self) -> Guid {
        self.id
    }

    /// Time of the message.
    async fn created_at(&self) -> DateTime {
        self.at
    }

    /// The user that the conversation was pushed to. Null unless `attachment` is a ConversationPushedSystemAttachment.
    async fn to_user(&self, ctx: &Context<'_>) -> Result<Option<User>> {
        let snapshot = &ctx.data::<QueryContext>()?.snapshot;
        Ok(self.to_user.map(|user| User::named(snapshot, user)))
    }

    /// The details of what happened.
    async fn attachment(&self) -> &SystemAttachment {
        &self.attachment
    }
}

/// A text that was written or spoken.
pub struct TextMessage {
    id: Guid,
    at: DateTime,
    user: Option<NamedUser>,
    entry: Entry,
}

impl TextMessage {
    /// Returns the author and the text.
    fn parts(&self) -> (&str, Option<&str>) {
        match self.entry.get().map(|entry| &entry.event) {
            Some(HistoryEvent::Message { author, text, .. }) => (author, text.as_deref()),
            _ => ("", None),
        }
    }
}

/// A text that was written or spoken.
#[Object]
impl TextMessage {
    /// GUID, derived from the event: the same event always gives the same GUID.
    async fn id(&self) -> Guid {
        self.id
    }

    /// Time of the message.
    async fn created_at(&self) -> DateTime {
        self.at
    }

    /// The author, as the event names them.
    async fn author(&self) -> &str {
        self.parts().0
    }

    /// The author, if a user of the account; else null.
    #[graphql(name = "fromUser")]
    async fn sender(&self, ctx: &Context<'_>) -> Result<Option<User>> {
        let snapshot = &ctx.data::<QueryContext>()?.snapshot;
        Ok(self.user.map(|user| User::named(snapshot, user)))
    }

    /// The text. Null if the event has none, or the account does not keep texts.
    async fn text(&self) -> Option<&str> {
        self.parts().1
    }
}

/// The details of a system message, by its kind.
#[derive(Union)]
pub enum SystemAttachment {
    /// A contact began.
    Pushed(ConversationPushedSystemAttachment),
    /// A contact ended by snooze.
    Snoozed(ConversationSnoozedSystemAttachment),
    /// A contact ended by transfer.
    Transferred(ConversationTransferredSystemAttachment),
    /// A contact ended for an unknown reason.
    Removed(ConversationRemovedSystemAttachment),
    /// The conversation closed.
    Closed(ConversationClosedSystemAttachment),
}

/// The conversation was pushed to a user; a contact begins.
pub struct ConversationPushedSystemAttachment {
    user: NamedUser,
    medium: Medium,
}

/// The conversation was pushed to a user; a contact begins.
#[Object]
impl ConversationPushedSystemAttachment {
    /// The user that the conversation was pushed to.
    async fn to_user(&self, ctx: &Context<'_>) -> Result<User> {
        Ok(User::named(&ctx.data::<QueryContext>()?.snapshot, self.user))
    }

    /// The channel of the contact.
    async fn channel(&self) -> Channel {
        self.medium.into()
    }
}

/// The conversation was snoozed, to be continued later; the contact ends.
#[derive(SimpleObject)]
pub struct ConversationSnoozedSystemAttachment {
    /// Time at which it is to be continued. Null if the event gives none.
    until: Option<DateTime>,
}

/// The conversation was transferred to a routing rule or group, to be continued by another user; the contact ends.
pub struct ConversationTransferredSystemAttachment {
    group: Option<EntityRef>,
    rule: Option<EntityRef>,
}

/// The conversation was transferred to a routing rule or group, to be continued by another user; the contact ends.
#[Object]
impl ConversationTransferredSystemAttachment {
    /// The rule. Null if the event names none, or the rule is not in the directory.
    async fn to_routing_rule(&self, ctx: &Context<'_>) -> Result<Option<RoutingRule>> {
        Ok(RoutingRule::find(&ctx.data::<QueryContext>()?.snapshot, self.rule))
    }

    /// The group. Null if the event names none, or the group is not in the directory.
    async fn to_routing_group(&self, ctx: &Context<'_>) -> Result<Option<RoutingGroup>> {
        Ok(RoutingGroup::find(&ctx.data::<QueryContext>()?.snapshot, self.group))
    }
}

/// The conversation left the user's desk, and no event gives the reason; the contact ends.
#[derive(SimpleObject)]
pub struct ConversationRemovedSystemAttachment {
    /// Time of the removal.
    removed_at: DateTime,
}

/// The conversation was closed; its contact ends.
#[derive(SimpleObject)]
pub struct ConversationClosedSystemAttachment {
    /// The reason, as the event gives it. Null if it gives none.
    reason: Option<String>,
}

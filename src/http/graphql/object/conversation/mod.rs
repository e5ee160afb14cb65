//! Conversations, with their contacts, messages and routing events
//! (docs/reference/iadvize-graphql.md, "Conversations").

pub mod contact;
pub mod message;
pub mod routing;

use std::collections::HashSet;
use std::sync::Arc;

use async_graphql::{Context, Enum, Object, Result};

use contact::Contact;
use message::{Entry, EntryKey, Message};
use routing::RoutingEvent;

use super::reference::Project;
use super::user::User;
use crate::domain;
use crate::domain::conversation::{Key, Medium, Summary};
use crate::domain::directory::Kind;
use crate::http::graphql::QueryContext;
use crate::http::graphql::paging::list_id::ListId;
use crate::http::graphql::paging::{Connection, Cursor, Page, PageArguments};
use crate::http::graphql::scalar::{DateTime, Guid};
use crate::query::people::users::Member;
use crate::query::reference::reference;

/// The channel on which a conversation takes place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "Medium")]
pub enum Channel {
    /// Chat on a web site.
    Chat,
    /// Voice call.
    Call,
    /// Video call.
    Video,
    /// Messages on a Facebook page.
    Facebook,
    /// Messages on Facebook Messenger.
    FacebookBusinessOnMessenger,
    /// Messages on Twitter.
    Twitter,
    /// Chat inside a mobile app.
    MobileApp,
    /// Text messages (SMS).
    Sms,
    /// Messages on WhatsApp.
    Whatsapp,
    /// Messages on Instagram.
    Instagram,
    /// Messages on Apple Business Chat.
    AppleBusinessChat,
    /// Messages on Google Business Messages.
    GoogleBusinessMessages,
}

/// The reasons for a close that the vendor defines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum CloseReason {
    /// A bot was to transfer the visitor to a person, and none was available.
    BotTransferFailed,
    /// A bot reached the end of its scenario.
    EndOfBotScenario,
    /// The visitor left before the end of a bot's scenario.
    VisitorDroppedOffScenario,
}

impl CloseReason {
    const ALL: [CloseReason; 3] =
        [CloseReason::BotTransferFailed, CloseReason::EndOfBotScenario, CloseReason::VisitorDroppedOffScenario];

    /// Returns the reason's name in events.
    pub const fn name(self) -> &'static str {
        match self {
            CloseReason::BotTransferFailed => "BOT_TRANSFER_FAILED",
            CloseReason::EndOfBotScenario => "END_OF_BOT_SCENARIO",
            CloseReason::VisitorDroppedOffScenario => "VISITOR_DROPPED_OFF_SCENARIO",
        }
    }
}

/// A conversation that was started or pushed, with the data derived from its history.
pub struct Conversation {
    conversation: Arc<domain::Conversation>,
    summary: Summary,
}

impl Conversation {
    /// Wraps a conversation; `None` if it was neither started nor pushed, as when only its close was reported.
    pub fn of(conversation: Arc<domain::Conversation>) -> Option<Self> {
        let summary = conversation.summary()?.clone();
        Some(Conversation { conversation, summary })
    }

    /// Returns its place in lists of conversations: when it began while it is open, when it was closed afterwards.
    pub fn place(&self) -> Cursor<i64> {
        let Key { millis, id } = Key::of(&self.summary, self.conversation.id());
        Cursor { key: millis, guid: id }
    }
}

/// An exchange with one visitor, from its start until it is closed. It has one contact with a user, or several, one
/// after the other.
#[Object]
impl Conversation {
    /// The conversation's GUID.
    async fn id(&self) -> Guid {
        Guid(self.conversation.id())
    }

    /// Time at which it was started or first pushed to a user, whichever came first.
    async fn created_at(&self) -> DateTime {
        DateTime(self.summary.created)
    }

    /// Time at which it was closed. Null while it is open; a snoozed conversation is open.
    async fn closed_at(&self) -> Option<DateTime> {
        self.summary.closing.as_ref().map(|closing| DateTime(closing.time))
    }

    /// The reason for the close. Null while the conversation is open, and if the event gave no reason or one that is
    /// not in this enum; the ConversationClosedSystemAttachment has the reason as the event gave it.
    async fn close_reason(&self) -> Option<CloseReason> {
        let given = self.summary.closing.as_ref()?.reason.as_deref()?;
        CloseReason::ALL.into_iter().find(|reason| reason.name() == given)
    }

    /// The project on whose site it takes place. Null if no event names it, or it is not in the directory.
    async fn project(&self, ctx: &Context<'_>) -> Result<Option<Project>> {
        let view = &ctx.data::<QueryContext>()?.snapshot.view;
        Ok(self.summary.project.and_then(|project| reference(view, Kind::Project, project)).map(Project))
    }

    /// The channel on which it takes place.
    async fn channel(&self) -> Channel {
        self.summary.medium.into()
    }

    /// Time from `createdAt` to `closedAt`, as an ISO 8601 duration such as `PT3M20S`. Null while it is open.
    async fn duration(&self) -> Option<String> {
        let closing = self.summary.closing.as_ref()?;
        Some(closing.time.duration_since(self.summary.created))
    }

    /// The users that it was pushed to, each once, in the order of their first contacts.
    async fn users(&self, ctx: &Context<'_>) -> Result<Vec<User>> {
        Ok(self.participants(ctx.data::<QueryContext>()?))
    }

    /// The users that it was pushed to, each once, in the order of their first contacts.
    #[graphql(deprecation = "The vendor's reference names it users.")]
    async fn agents(&self, ctx: &Context<'_>) -> Result<Vec<User>> {
        Ok(self.participants(ctx.data::<QueryContext>()?))
    }

    /// Its routing events, ascending by time.
    async fn routing_events(&self) -> Vec<RoutingEvent> {
        self.conversation.history().iter().filter_map(RoutingEvent::of).collect()
    }

    /// Texts and system messages, ascending by time; messages of the same time in the order in which they were
    /// recorded.
    async fn messages(
        &self,
        #[graphql(desc = "Page size, from the start or after a cursor: 1 to 100, default 100.")] first: Option<i32>,
        #[graphql(desc = "The cursor after which the page starts.")] after: Option<String>,
        #[graphql(desc = "Page size, up to the end or before a cursor: 1 to 100, default 100.")] last: Option<i32>,
        #[graphql(desc = "The cursor before which the page ends.")] before: Option<String>,
    ) -> Result<Connection<Message>> {
        let list = ListId::whole(self.conversation.id(), "messages");
        let page = Page::read(PageArguments { first, after, last, before }, list)?;
        let history = self.conversation.history().iter().enumerate();
        // Messages are built for the page only: a history can be long.
        let chosen = page.select(history.filter_map(|(place, entry)| Some((EntryKey::of(entry)?, place)))).into_iter();
        let message = |place| Message::of(Entry { conversation: self.conversation.clone(), place });
        Ok(page.connection(chosen.filter_map(|(key, place)| Some((key, message(place)?))).collect()))
    }

    /// Its contacts, in the order in which they began. Each lasts from a ConversationPushedSystemAttachment to the next
    /// attachment of a push, transfer, snooze, removal or close.
    async fn contacts(&self) -> Vec<Contact> {
        self.conversation.contacts().into_iter().map(Contact).collect()
    }
}

impl Conversation {
    /// Returns the users of the pushes, each once. One id can be that of two users, one after the other.
    fn participants(&self, context: &QueryContext) -> Vec<User> {
        let mut seen = HashSet::new();
        let members = self.conversation.pushed_to().map(|user| Member::named(&context.snapshot.view, user));
        members.filter(|member| seen.insert((member.id(), member.profile().is_some()))).map(User::new).collect()
    }
}

//! Conversations (CONTRACTS.md 2.9): what was, is and follows.

pub mod contact;
pub mod message;
pub mod routing;

use std::sync::Arc;

use async_graphql::{Context, Enum, Object, Result};

use contact::Contact;
use message::Message;
use routing::RoutingEvent;

use super::reference::Project;
use super::user::User;
use crate::domain;
use crate::domain::conversation::{Key, Life, Medium};
use crate::domain::directory::Kind;
use crate::http::graphql::Asked;
use crate::http::graphql::paging::Cursor;
use crate::http::graphql::scalar::{DateTime, Guid};
use crate::query::reference::reference;

/// Where conversations take place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "Medium")]
pub enum Channel {
    /// On the web site.
    Chat,
    /// By voice.
    Call,
    /// By video.
    Video,
    /// Facebook's pages.
    Facebook,
    /// Facebook Messenger.
    FacebookBusinessOnMessenger,
    /// Twitter.
    Twitter,
    /// Inside an app.
    MobileApp,
    /// Text message.
    Sms,
    /// WhatsApp.
    Whatsapp,
    /// Instagram.
    Instagram,
    /// Apple Business Chat.
    AppleBusinessChat,
    /// Google Business Messages.
    GoogleBusinessMessages,
}

/// Why a conversation closed, in the vendor's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum CloseReason {
    /// A bot was to pass the visitor on to a person, and nobody was there.
    BotTransferFailed,
    /// A bot said all it had to say.
    EndOfBotScenario,
    /// The visitor left a bot.
    VisitorDroppedOffScenario,
}

impl CloseReason {
    const ALL: [CloseReason; 3] =
        [CloseReason::BotTransferFailed, CloseReason::EndOfBotScenario, CloseReason::VisitorDroppedOffScenario];

    /// As events name it.
    pub const fn name(self) -> &'static str {
        match self {
            CloseReason::BotTransferFailed => "BOT_TRANSFER_FAILED",
            CloseReason::EndOfBotScenario => "END_OF_BOT_SCENARIO",
            CloseReason::VisitorDroppedOffScenario => "VISITOR_DROPPED_OFF_SCENARIO",
        }
    }
}

/// One conversation.
pub struct Conversation {
    conversation: Arc<domain::Conversation>,
    life: Life,
}

impl Conversation {
    /// A conversation that was started or pushed; there is no other.
    pub fn of(conversation: Arc<domain::Conversation>) -> Option<Self> {
        let life = conversation.life()?.clone();
        Some(Conversation { conversation, life })
    }

    /// Its place in lists of conversations.
    pub fn place(&self) -> Cursor<i64> {
        let Key { millis, id } = Key::of(&self.life, self.conversation.id());
        Cursor { key: millis, guid: id }
    }
}

/// An exchange with one visitor, from its start until it is closed: in one contact with one user, or in several, one
/// after the other.
#[Object]
impl Conversation {
    /// GUID.
    async fn id(&self) -> Guid {
        Guid(self.conversation.id())
    }

    /// When it was started, or first given to a user, whichever came first.
    async fn created_at(&self) -> DateTime {
        DateTime(self.life.created)
    }

    /// When it was closed. Null while it is open; snoozed is open.
    async fn closed_at(&self) -> Option<DateTime> {
        self.life.closing.as_ref().map(|closing| DateTime(closing.time))
    }

    /// Why it was closed. Null while it is open, and when no reason was told or the vendor has no word for it: then the
    /// attachment of the closing message may tell.
    async fn close_reason(&self) -> Option<CloseReason> {
        let told = self.life.closing.as_ref()?.reason.as_deref()?;
        CloseReason::ALL.into_iter().find(|reason| reason.name() == told)
    }

    /// The project on whose site it takes place. Null if no event told it, or the directory does not know it.
    async fn project(&self, ctx: &Context<'_>) -> Result<Option<Project>> {
        let view = &ctx.data::<Asked>()?.snapshot.view;
        Ok(self.life.project.and_then(|project| reference(view, Kind::Project, project)).map(Project))
    }

    /// Where it takes place.
    async fn channel(&self) -> Channel {
        self.life.medium.into()
    }

    /// The users who took part: those it was given to, in the order of their first contacts.
    async fn agents(&self, ctx: &Context<'_>) -> Result<Vec<User>> {
        let snapshot = &ctx.data::<Asked>()?.snapshot;
        Ok(self.conversation.users().into_iter().map(|user| User::of(snapshot, user)).collect())
    }

    /// When it was given to routing rules and groups to find somebody, in the order of time.
    async fn routing_events(&self) -> Vec<RoutingEvent> {
        self.conversation.moments().iter().filter_map(RoutingEvent::of).collect()
    }

    /// What was said, and what happened, in the order of time; of two at the same time, in the order in which they
    /// became known.
    async fn messages(&self) -> Vec<Message> {
        self.conversation.moments().iter().filter_map(Message::of).collect()
    }

    /// Its contacts, in the order in which they began: each from one ConversationPushedSystemAttachment to the next
    /// attachment of a push, transfer, snooze, removal or close.
    async fn contacts(&self) -> Vec<Contact> {
        self.conversation.contacts().into_iter().map(Contact).collect()
    }
}

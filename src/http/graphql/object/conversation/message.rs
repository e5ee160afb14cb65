//! Messages: what was said, and what the system tells of the conversation's life (CONTRACTS.md 2.9).

use async_graphql::{Context, Interface, Object, Result, SimpleObject, Union};

use super::Channel;
use super::routing::{RoutingRule, group};
use crate::domain::EntityRef;
use crate::domain::conversation::{Medium, Moment, What};
use crate::http::graphql::Asked;
use crate::http::graphql::object::reference::RoutingGroup;
use crate::http::graphql::object::user::User;
use crate::http::graphql::scalar::{DateTime, Guid};

/// One message of a conversation.
#[derive(Interface)]
#[graphql(
    field(name = "id", ty = "Guid", desc = "GUID. The same event always makes the same."),
    field(name = "created_at", ty = "DateTime", desc = "When.")
)]
pub enum Message {
    /// Of the system.
    System(SystemMessage),
    /// Of somebody.
    Text(TextMessage),
}

impl Message {
    pub(super) fn of(moment: &Moment) -> Option<Self> {
        let (id, at) = (Guid(moment.id), DateTime(moment.time));
        let (to_user, attachment) = match moment.what.clone() {
            What::Pushed { user, medium, .. } => {
                (Some(user), SystemAttachment::Pushed(ConversationPushedSystemAttachment { user, medium }))
            }
            What::Snoozed { until } => {
                let until = until.map(DateTime);
                (None, SystemAttachment::Snoozed(ConversationSnoozedSystemAttachment { until }))
            }
            What::Transferred { group, rule } => {
                (None, SystemAttachment::Transferred(ConversationTransferredSystemAttachment { group, rule }))
            }
            What::Removed {} => {
                (None, SystemAttachment::Removed(ConversationRemovedSystemAttachment { removed_at: at }))
            }
            What::Closed { reason } => {
                let reason = reason.map(String::from);
                (None, SystemAttachment::Closed(ConversationClosedSystemAttachment { reason }))
            }
            What::Message { user, author, text } => {
                let (author, text) = (author.into(), text.map(String::from));
                return Some(Message::Text(TextMessage { id, at, user, author, text }));
            }
            What::Started { .. } | What::Routed { .. } => return None,
        };
        Some(Message::System(SystemMessage { id, at, to_user, attachment }))
    }
}

/// What the system tells of a conversation's life.
pub struct SystemMessage {
    id: Guid,
    at: DateTime,
    to_user: Option<i64>,
    attachment: SystemAttachment,
}

/// What the system tells of a conversation's life.
#[Object]
impl SystemMessage {
    /// GUID. The same event always makes the same.
    async fn id(&self) -> Guid {
        self.id
    }

    /// When.
    async fn created_at(&self) -> DateTime {
        self.at
    }

    /// Whom the conversation was pushed to. Null for everything but a push.
    async fn to_user(&self, ctx: &Context<'_>) -> Result<Option<User>> {
        let snapshot = &ctx.data::<Asked>()?.snapshot;
        Ok(self.to_user.map(|user| User::of(snapshot, user)))
    }

    /// What happened.
    async fn attachment(&self) -> &SystemAttachment {
        &self.attachment
    }
}

/// What somebody wrote or said.
pub struct TextMessage {
    id: Guid,
    at: DateTime,
    user: Option<i64>,
    author: String,
    text: Option<String>,
}

/// What somebody wrote or said.
#[Object]
impl TextMessage {
    /// GUID. The same event always makes the same.
    async fn id(&self) -> Guid {
        self.id
    }

    /// When.
    async fn created_at(&self) -> DateTime {
        self.at
    }

    /// Who, in the words of the event.
    async fn author(&self) -> &str {
        &self.author
    }

    /// Which user. Null if it was nobody of the account.
    #[graphql(name = "fromUser")]
    async fn sender(&self, ctx: &Context<'_>) -> Result<Option<User>> {
        let snapshot = &ctx.data::<Asked>()?.snapshot;
        Ok(self.user.map(|user| User::of(snapshot, user)))
    }

    /// What. Null if no event told it, or the account does not keep texts.
    async fn text(&self) -> Option<&str> {
        self.text.as_deref()
    }
}

/// What happened to a conversation.
#[derive(Union)]
pub enum SystemAttachment {
    /// A contact began.
    Pushed(ConversationPushedSystemAttachment),
    /// A contact ended by snooze.
    Snoozed(ConversationSnoozedSystemAttachment),
    /// A contact ended by transfer.
    Transferred(ConversationTransferredSystemAttachment),
    /// A contact ended for a reason that nobody told.
    Removed(ConversationRemovedSystemAttachment),
    /// The conversation closed.
    Closed(ConversationClosedSystemAttachment),
}

/// The conversation was given to a user: a contact begins.
pub struct ConversationPushedSystemAttachment {
    user: i64,
    medium: Medium,
}

/// The conversation was given to a user: a contact begins.
#[Object]
impl ConversationPushedSystemAttachment {
    /// To whom.
    async fn to_user(&self, ctx: &Context<'_>) -> Result<User> {
        Ok(User::of(&ctx.data::<Asked>()?.snapshot, self.user))
    }

    /// Where the contact takes place.
    async fn channel(&self) -> Channel {
        self.medium.into()
    }
}

/// The conversation goes on later: the contact ends.
#[derive(SimpleObject)]
pub struct ConversationSnoozedSystemAttachment {
    /// When. Null if nobody told.
    until: Option<DateTime>,
}

/// The conversation was given to a routing rule or group to go on with somebody else: the contact ends.
pub struct ConversationTransferredSystemAttachment {
    group: Option<EntityRef>,
    rule: Option<EntityRef>,
}

/// The conversation was given to a routing rule or group to go on with somebody else: the contact ends.
#[Object]
impl ConversationTransferredSystemAttachment {
    /// To which rule. Null if none was told, or the directory does not know it.
    async fn to_routing_rule(&self, ctx: &Context<'_>) -> Result<Option<RoutingRule>> {
        Ok(RoutingRule::find(&ctx.data::<Asked>()?.snapshot, self.rule))
    }

    /// To which group. Null if none was told, or the directory does not know it.
    async fn to_routing_group(&self, ctx: &Context<'_>) -> Result<Option<RoutingGroup>> {
        Ok(group(&ctx.data::<Asked>()?.snapshot, self.group))
    }
}

/// The conversation left the user's desk, and no event told why: the contact ends.
#[derive(SimpleObject)]
pub struct ConversationRemovedSystemAttachment {
    /// When.
    removed_at: DateTime,
}

/// The conversation closed, and with it the contact.
#[derive(SimpleObject)]
pub struct ConversationClosedSystemAttachment {
    /// Why, in the words of the event. Null if it told nothing.
    reason: Option<String>,
}

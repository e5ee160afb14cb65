//! Contacts: what the vendor has its users rebuild by hand (CONTRACTS.md 2.9).

use async_graphql::{Context, Enum, Object, Result};

use super::Channel;
use super::routing::{RoutingRule, group};
use crate::domain::conversation;
use crate::http::graphql::Asked;
use crate::http::graphql::object::reference::RoutingGroup;
use crate::http::graphql::object::user::User;
use crate::http::graphql::scalar::{DateTime, Guid};

/// How a contact ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "conversation::Ending")]
pub enum ContactEnding {
    /// With the conversation.
    Closed,
    /// It was given to a rule or a group, or pushed to the next user.
    Transferred,
    /// It goes on later.
    Snoozed,
    /// The conversation left the user's desk, and no event told why.
    Removed,
}

/// A contact.
pub struct Contact(pub(super) conversation::Contact);

/// An exchange between a visitor and one user.
#[Object]
impl Contact {
    /// GUID: that of the system message that it began with.
    async fn id(&self) -> Guid {
        Guid(self.0.id)
    }

    /// When it began: when the conversation was pushed to the user.
    async fn start(&self) -> DateTime {
        DateTime(self.0.start)
    }

    /// When it ended: at the next push, transfer, snooze, removal or close. Null while it goes on.
    async fn end(&self) -> Option<DateTime> {
        self.0.end.map(|(end, _)| DateTime(end))
    }

    /// How it ended. Null while it goes on.
    async fn ending(&self) -> Option<ContactEnding> {
        self.0.end.map(|(_, ending)| ending.into())
    }

    /// With whom.
    async fn user(&self, ctx: &Context<'_>) -> Result<User> {
        Ok(User::of(&ctx.data::<Asked>()?.snapshot, self.0.user))
    }

    /// Where.
    async fn channel(&self) -> Channel {
        self.0.medium.into()
    }

    /// The rule of the newest routing event at or before the start. Null if there was none, or the directory does not
    /// know the rule.
    async fn routing_rule(&self, ctx: &Context<'_>) -> Result<Option<RoutingRule>> {
        Ok(RoutingRule::find(&ctx.data::<Asked>()?.snapshot, self.0.rule))
    }

    /// The group of that routing event. Null likewise.
    async fn routing_group(&self, ctx: &Context<'_>) -> Result<Option<RoutingGroup>> {
        Ok(group(&ctx.data::<Asked>()?.snapshot, self.0.group))
    }
}

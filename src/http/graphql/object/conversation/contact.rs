//! Contacts, rebuilt from a conversation's events; the vendor leaves that to its clients
//! (docs/reference/iadvize-graphql.md, "Contacts").

use async_graphql::{Context, Enum, Object, Result};

use super::Channel;
use crate::domain::conversation;
use crate::http::graphql::QueryContext;
use crate::http::graphql::object::routing::{RoutingGroup, RoutingRule};
use crate::http::graphql::object::user::User;
use crate::http::graphql::scalar::{DateTime, Guid};

/// The way in which a contact ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "conversation::Ending")]
pub enum ContactEnding {
    /// The conversation was closed.
    Closed,
    /// The conversation was transferred to a routing rule or group, or pushed to the next user.
    Transferred,
    /// The conversation was snoozed, to be continued later.
    Snoozed,
    /// The conversation left the user's desk, and no event gives the reason.
    Removed,
}

/// A contact of the domain, as the schema shows it.
pub struct Contact(pub(super) conversation::Contact);

/// An exchange between a visitor and one user.
#[Object]
impl Contact {
    /// GUID of the system message that began the contact.
    async fn id(&self) -> Guid {
        Guid(self.0.id)
    }

    /// Time at which the conversation was pushed to the user.
    async fn start(&self) -> DateTime {
        DateTime(self.0.start)
    }

    /// Time of the next push, transfer, snooze, removal or close. Null while the contact goes on.
    async fn end(&self) -> Option<DateTime> {
        self.0.end.map(|(end, _)| DateTime(end))
    }

    /// The way in which it ended. Null while the contact goes on.
    async fn ending(&self) -> Option<ContactEnding> {
        self.0.end.map(|(_, ending)| ending.into())
    }

    /// The user that the conversation was pushed to, as of then: if the id was given to another user since, only the id
    /// is left.
    async fn user(&self, ctx: &Context<'_>) -> Result<User> {
        Ok(User::named(&ctx.data::<QueryContext>()?.snapshot, self.0.user))
    }

    /// The channel of the contact.
    async fn channel(&self) -> Channel {
        self.0.medium.into()
    }

    /// The rule of the newest routing event at or before the start. Null if there is no such event, it names no rule,
    /// or the rule is not in the directory.
    async fn routing_rule(&self, ctx: &Context<'_>) -> Result<Option<RoutingRule>> {
        Ok(RoutingRule::find(&ctx.data::<QueryContext>()?.snapshot, self.0.rule))
    }

    /// The group of the newest routing event at or before the start. Null if there is no such event, it names no group,
    /// or the group is not in the directory.
    async fn routing_group(&self, ctx: &Context<'_>) -> Result<Option<RoutingGroup>> {
        Ok(RoutingGroup::find(&ctx.data::<QueryContext>()?.snapshot, self.0.group))
    }
}

//! The queries of the schema: one a file.

pub mod closed_conversations;
pub mod connected_users_indicator;
pub mod conversation;
mod conversation_filters;
pub mod conversations;
mod filters;
pub mod routing_rule;
pub mod user;
pub mod users;

use async_graphql::MergedObject;

use closed_conversations::ClosedConversationsQuery;
use connected_users_indicator::ConnectedUsersQuery;
use conversation::ConversationQuery;
use conversations::ConversationsQuery;
use routing_rule::RoutingRuleQuery;
use user::UserQuery;
use users::UsersQuery;

/// Queries. All fields of one request are answered from the same instant.
#[derive(MergedObject, Default)]
pub struct Query(
    ConnectedUsersQuery,
    ConversationQuery,
    ConversationsQuery,
    ClosedConversationsQuery,
    RoutingRuleQuery,
    UserQuery,
    UsersQuery,
);

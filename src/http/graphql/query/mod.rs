//! The queries of the schema: one a file.

pub mod breakdown;
pub mod closed_conversations;
pub mod connected_users_indicator;
pub mod conversation;
mod conversation_filters;
pub mod conversations;
mod filters;
pub mod now;
pub mod reference;
pub mod user;
mod user_filter;
pub mod users;

use async_graphql::MergedObject;

use breakdown::BreakdownQuery;
use closed_conversations::ClosedConversationsQuery;
use connected_users_indicator::ConnectedUsersQuery;
use conversation::ConversationQuery;
use conversations::ConversationsQuery;
use now::NowQuery;
use reference::project::ProjectQuery;
use reference::projects::ProjectsQuery;
use reference::routing_group::RoutingGroupQuery;
use reference::routing_groups::RoutingGroupsQuery;
use reference::routing_rule::RoutingRuleQuery;
use reference::routing_rules::RoutingRulesQuery;
use user::UserQuery;
use users::UsersQuery;

/// Queries. All fields of one request are answered from the same instant.
#[derive(MergedObject, Default)]
pub struct Query(
    NowQuery,
    BreakdownQuery,
    ConnectedUsersQuery,
    ConversationQuery,
    ConversationsQuery,
    ClosedConversationsQuery,
    ProjectQuery,
    ProjectsQuery,
    RoutingGroupQuery,
    RoutingGroupsQuery,
    RoutingRuleQuery,
    RoutingRulesQuery,
    UserQuery,
    UsersQuery,
);

//! What may be asked: one question a file.

pub mod connected_users_indicator;
mod filters;
pub mod routing_rule;
pub mod user;
pub mod users;

use async_graphql::MergedObject;

use connected_users_indicator::ConnectedUsersQuery;
use routing_rule::RoutingRuleQuery;
use user::UserQuery;
use users::UsersQuery;

/// What may be asked. All of one request is answered from one instant.
#[derive(MergedObject, Default)]
pub struct Query(ConnectedUsersQuery, RoutingRuleQuery, UserQuery, UsersQuery);

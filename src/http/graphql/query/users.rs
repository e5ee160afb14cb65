//! The query `users`: a paged list of users (docs/reference/iadvize-graphql.md, "user and users").

use async_graphql::{Context, Object, Result};

use super::filters::{by_guid, entity, values};
use crate::domain::filter::{Clause, Dimension};
use crate::domain::{Filter, Role};
use crate::http::graphql::QueryContext;
use crate::http::graphql::object::user::User;
use crate::http::graphql::paging::{Connection, Page, PageArguments};
use crate::http::graphql::scalar::{Guid, LegacyId, UserRole};
use crate::projection::roster::Connection as Connected;

/// The root field `users`.
#[derive(Default)]
pub struct UsersQuery;

#[Object]
impl UsersQuery {
    /// Users, ascending by id, without deleted ones. A user must match all filters that are given, and matches a filter
    /// by any of its values. A filter that is null or empty restricts nothing; an unknown id matches no user.
    #[expect(clippy::too_many_arguments, reason = "the filters are flat, as the vendor's are")]
    async fn users(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only these users.")] ids: Option<Vec<LegacyId>>,
        #[graphql(desc = "Only members of at least one of these groups.")] group_ids: Option<Vec<LegacyId>>,
        #[graphql(desc = "Only users of at least one of these projects.")] project_ids: Option<Vec<LegacyId>>,
        #[graphql(desc = "Only users with at least one of these roles.")] roles: Option<Vec<UserRole>>,
        #[graphql(desc = "Only users with at least one of these skills.")] skill_ids: Option<Vec<LegacyId>>,
        #[graphql(desc = "Only members of at least one of these routing groups.")] routing_group_ids: Option<Vec<Guid>>,
        #[graphql(desc = "True: only connected users. False: only the others.")] is_connected: Option<bool>,
        #[graphql(desc = "Page size, from the start or after a cursor: 1 to 100, default 100.")] first: Option<i32>,
        #[graphql(desc = "The cursor after which the page starts.")] after: Option<String>,
        #[graphql(desc = "Page size, up to the end or before a cursor: 1 to 100, default 100.")] last: Option<i32>,
        #[graphql(desc = "The cursor before which the page ends.")] before: Option<String>,
    ) -> Result<Connection<User>> {
        let page = Page::of(ctx, PageArguments { first, after, last, before })?;
        let filter = Filter::default()
            .and(Clause::Users(values(ids, "ids", |LegacyId(reference)| reference)?))
            .and(Clause::Any(Dimension::Group, values(group_ids, "groupIds", entity)?))
            .and(Clause::Any(Dimension::Project, values(project_ids, "projectIds", entity)?))
            .and(Clause::Roles(values(roles, "roles", Role::from)?))
            .and(Clause::Any(Dimension::Skill, values(skill_ids, "skillIds", entity)?))
            .and(Clause::Any(Dimension::RoutingGroup, values(routing_group_ids, "routingGroupIds", by_guid)?));
        let connected = match is_connected {
            None => Connected::Any,
            Some(true) => Connected::Online,
            Some(false) => Connected::Offline,
        };
        Ok(User::page(&ctx.data::<QueryContext>()?.snapshot, &page, &filter, connected))
    }
}

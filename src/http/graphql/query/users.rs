//! The query `users`: who there is, page by page (CONTRACTS.md 2.4, 2.8).

use async_graphql::{Context, Object, Result};

use super::filters::{by_guid, entity, values};
use crate::domain::filter::{Clause, Dimension};
use crate::domain::{Filter, Role};
use crate::http::graphql::Asked;
use crate::http::graphql::object::user::User;
use crate::http::graphql::paging::{Connection, Cursor, Page, PageArguments};
use crate::http::graphql::scalar::{Guid, LegacyId, UserRole};
use crate::projection::roster::Connection as Connected;
use crate::query::people::users::users;

/// Who there is.
#[derive(Default)]
pub struct UsersQuery;

/// Who there is.
#[Object]
impl UsersQuery {
    /// Users who pass every filter given, ascending by id: any of the values inside one, all of those given. Null and
    /// empty restrict nothing; a well-formed id that is unknown matches nobody. Deleted users are left out.
    #[expect(clippy::too_many_arguments, reason = "the filters are flat, as the vendor's are")]
    async fn users(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "By user.")] ids: Option<Vec<LegacyId>>,
        #[graphql(desc = "By group.")] group_ids: Option<Vec<LegacyId>>,
        #[graphql(desc = "By project.")] project_ids: Option<Vec<LegacyId>>,
        #[graphql(desc = "By role.")] roles: Option<Vec<UserRole>>,
        #[graphql(desc = "By skill.")] skill_ids: Option<Vec<LegacyId>>,
        #[graphql(desc = "By routing group.")] routing_group_ids: Option<Vec<Guid>>,
        #[graphql(desc = "True: only who has a desk connected. False: only who has none.")] is_connected: Option<bool>,
        #[graphql(desc = "How many, from the start or after a cursor: 1 to 100, and 100 unless given.")] first: Option<
            i32,
        >,
        #[graphql(desc = "The cursor to go on after.")] after: Option<String>,
        #[graphql(desc = "How many, up to the end or before a cursor: 1 to 100, and 100 unless given.")] last: Option<
            i32,
        >,
        #[graphql(desc = "The cursor to stop before.")] before: Option<String>,
    ) -> Result<Connection<User>> {
        let page = Page::read(PageArguments { first, after, last, before })?;
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
        let snapshot = &ctx.data::<Asked>()?.snapshot;
        let found = users(&snapshot.view, &filter, connected);
        let places = found.map(|profile| (Cursor { key: profile.id, guid: profile.guid }, profile.id));
        // Only those on the page are made into users.
        let chosen = page.select(places).into_iter();
        Ok(page.connection(chosen.map(|(place, id)| (place, User::of(snapshot, id))).collect()))
    }
}

//! The query `projects` (docs/reference/iadvize-graphql.md, "Projects").

use async_graphql::{Context, Object, Result};

use super::page;
use crate::domain::directory::Kind;
use crate::http::graphql::object::reference::Project;
use crate::http::graphql::paging::{Connection, PageArguments};

/// The root field `projects`.
#[derive(Default)]
pub struct ProjectsQuery;

#[Object]
impl ProjectsQuery {
    /// Projects, ascending by id.
    async fn projects(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Page size, from the start or after a cursor: 1 to 100, default 100.")] first: Option<i32>,
        #[graphql(desc = "The cursor after which the page starts.")] after: Option<String>,
        #[graphql(desc = "Page size, up to the end or before a cursor: 1 to 100, default 100.")] last: Option<i32>,
        #[graphql(desc = "The cursor before which the page ends.")] before: Option<String>,
    ) -> Result<Connection<Project>> {
        page(ctx, Kind::Project, PageArguments { first, after, last, before }, |_, project| Project(project))
    }
}

//! The query `project`: one project by id (docs/reference/iadvize-graphql.md, "Projects").

use async_graphql::{Context, Object, Result};

use crate::domain::directory::Kind;
use crate::http::graphql::QueryContext;
use crate::http::graphql::fault::invalid_argument;
use crate::http::graphql::object::reference::Project;
use crate::http::graphql::scalar::LegacyId;
use crate::query::reference::reference;

/// The root field `project`.
#[derive(Default)]
pub struct ProjectQuery;

#[Object]
impl ProjectQuery {
    /// A project by id, given as either of the arguments. Null if there is none.
    async fn project(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The project's id, by the vendor's name of the argument.")] project_id: Option<LegacyId>,
        #[graphql(desc = "The project's id.")] id: Option<LegacyId>,
    ) -> Result<Option<Project>> {
        let project = match (project_id, id) {
            (Some(id), None) | (None, Some(id)) => id.0,
            _ => return Err(invalid_argument("give the id either as projectId or as id")),
        };
        let view = &ctx.data::<QueryContext>()?.snapshot.view;
        Ok(reference(view, Kind::Project, project).map(Project))
    }
}

//! The query `routingGroup`: one routing group by id (docs/reference/iadvize-graphql.md, "Routing").

use async_graphql::{Context, Object, Result};

use crate::domain::EntityRef;
use crate::http::graphql::QueryContext;
use crate::http::graphql::object::routing::RoutingGroup;
use crate::http::graphql::scalar::Guid;

/// The root field `routingGroup`.
#[derive(Default)]
pub struct RoutingGroupQuery;

#[Object]
impl RoutingGroupQuery {
    /// A routing group by id. Null if there is none.
    async fn routing_group(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The group's GUID.")] id: Guid,
    ) -> Result<Option<RoutingGroup>> {
        Ok(RoutingGroup::find(&ctx.data::<QueryContext>()?.snapshot, Some(EntityRef::Guid(id.0))))
    }
}

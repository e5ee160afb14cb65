//! The query `routingRule` (docs/reference/iadvize-graphql.md, "routingRule"), which routers and bots send right before
//! they escalate to a person.

use async_graphql::{Context, Object, Result};

use crate::domain::EntityRef;
use crate::http::graphql::QueryContext;
use crate::http::graphql::object::routing::RoutingRule;
use crate::http::graphql::scalar::Guid;

/// The root field `routingRule`.
#[derive(Default)]
pub struct RoutingRuleQuery;

#[Object]
impl RoutingRuleQuery {
    /// A routing rule by id, with its availability now. Null if there is none.
    ///
    /// While the state is too old to be relied on, this field is an error, and the response has the HTTP status 503:
    /// for a router a wrong answer would be worse than none.
    async fn routing_rule(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The rule's GUID.")] id: Guid,
    ) -> Result<Option<RoutingRule>> {
        let snapshot = ctx.data::<QueryContext>()?.current()?;
        Ok(RoutingRule::find(snapshot, Some(EntityRef::Guid(id.0))))
    }
}

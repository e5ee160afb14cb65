//! The query `routingRule` (CONTRACTS.md 2.7): what routers and bots ask right before they escalate.

use async_graphql::{Context, Object, Result};

use crate::domain::EntityRef;
use crate::http::graphql::Asked;
use crate::http::graphql::object::conversation::routing::RoutingRule;
use crate::http::graphql::scalar::Guid;

/// What routers ask.
#[derive(Default)]
pub struct RoutingRuleQuery;

/// What routers ask.
#[Object]
impl RoutingRuleQuery {
    /// A routing rule, and whether somebody can take a conversation for it now. Null when there is no such rule.
    ///
    /// A wrong answer would be worse than none: while the state cannot be relied on, this is an error, and the request
    /// is answered with HTTP status 503.
    async fn routing_rule(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The rule's GUID.")] id: Guid,
    ) -> Result<Option<RoutingRule>> {
        let snapshot = ctx.data::<Asked>()?.current()?;
        Ok(RoutingRule::find(snapshot, Some(EntityRef::Guid(id.0))))
    }
}

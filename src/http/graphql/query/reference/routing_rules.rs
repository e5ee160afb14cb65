//! The query `routingRules` (docs/reference/iadvize-graphql.md, "Routing").

use async_graphql::{Context, Object, Result};

use super::page;
use crate::domain::directory::Kind;
use crate::http::graphql::object::routing::RoutingRule;
use crate::http::graphql::paging::{Connection, PageArguments};

/// The root field `routingRules`.
#[derive(Default)]
pub struct RoutingRulesQuery;

#[Object]
impl RoutingRulesQuery {
    /// Routing rules, ascending by their integer ids, which only cursors show.
    async fn routing_rules(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Page size, from the start or after a cursor: 1 to 100, default 100.")] first: Option<i32>,
        #[graphql(desc = "The cursor after which the page starts.")] after: Option<String>,
        #[graphql(desc = "Page size, up to the end or before a cursor: 1 to 100, default 100.")] last: Option<i32>,
        #[graphql(desc = "The cursor before which the page ends.")] before: Option<String>,
    ) -> Result<Connection<RoutingRule>> {
        page(ctx, Kind::RoutingRule, PageArguments { first, after, last, before }, RoutingRule::new)
    }
}

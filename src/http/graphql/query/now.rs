//! The query `now` (docs/reference/iadvize-graphql.md, "now").

use async_graphql::{Context, MergedObject, Object, Result};

use super::breakdown::BreakdownQuery;
use super::connected_users_indicator::ConnectedUsersQuery;
use super::reference::routing_rule::RoutingRuleQuery;
use super::users::UsersQuery;
use crate::http::graphql::QueryContext;
use crate::http::graphql::scalar::{DateTime, Position};

/// The root field `now`.
#[derive(Default)]
pub struct NowQuery;

#[Object]
impl NowQuery {
    /// The current instant of the account, with its position in the journal.
    async fn now(&self) -> Moment {
        Moment::default()
    }
}

/// An instant of the account. All of its fields describe this instant.
#[derive(MergedObject, Default)]
pub struct Moment(MomentQuery, ConnectedUsersQuery, BreakdownQuery, RoutingRuleQuery, UsersQuery);

/// The position and the time of a moment.
#[derive(Default)]
pub struct MomentQuery;

#[Object]
impl MomentQuery {
    /// Position of the newest event that the moment includes; 0 before the first.
    async fn position(&self, ctx: &Context<'_>) -> Result<Position> {
        Ok(Position(ctx.data::<QueryContext>()?.snapshot.view.position()))
    }

    /// The service's time, and never earlier than the time at which the newest event was recorded.
    async fn time(&self, ctx: &Context<'_>) -> Result<DateTime> {
        let context = ctx.data::<QueryContext>()?;
        Ok(DateTime(context.snapshot.time(context.time)))
    }

    /// Milliseconds since the store last confirmed that nothing newer was recorded elsewhere.
    async fn staleness_ms(&self, ctx: &Context<'_>) -> Result<u64> {
        Ok(ctx.data::<QueryContext>()?.snapshot.staleness_ms)
    }
}

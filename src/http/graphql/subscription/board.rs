//! The subscription `board` (docs/reference/iadvize-graphql.md, "board").

use async_graphql::futures_util::stream::{Stream, once};
use async_graphql::{Context, Result, Subscription};

use crate::auth::Link;
use crate::domain::{Fault, Time};
use crate::engine::Snapshot;
use crate::http::graphql::fault::of_field;
use crate::http::graphql::object::board::Board;
use crate::http::live::Instant;
use crate::query::board::{Shown, board};

/// The context of a board: the one view that it is evaluated on, and the link that shows it.
#[derive(Clone)]
pub struct BoardContext {
    /// The link.
    pub link: Link,
    /// The view.
    pub snapshot: Snapshot,
    /// Service time.
    pub time: Time,
}

/// The root field `board`.
#[derive(Default)]
pub struct BoardSubscription;

#[Subscription]
impl BoardSubscription {
    /// The wallboard of the link that the socket was opened with: at once, and again whenever the selected fields differ
    /// from those sent before. For links only.
    ///
    /// `position`, `time` and `stalenessMs` do not count as a difference.
    async fn board(&self, ctx: &Context<'_>) -> Result<impl Stream<Item = Result<Board>>> {
        let context = ctx.data::<BoardContext>()?;
        Ok(once(std::future::ready(context.board())))
    }
}

impl BoardContext {
    fn board(&self) -> Result<Board> {
        let BoardContext { link, snapshot, time } = self;
        let shown = Shown { names: link.names(), people: link.shows_people() };
        let now = board(&snapshot.view, link.board(), shown).ok_or_else(|| of_field(&Fault::NotFound("wallboard")))?;
        Ok(Board::new(link.board(), now, Instant::of(snapshot, *time)))
    }
}

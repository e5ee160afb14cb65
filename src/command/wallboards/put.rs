//! Creates or replaces a wallboard, as one event.

use std::sync::Arc;

use super::fault;
use crate::auth::WallboardsWrite;
use crate::command::Context;
use crate::domain::board::{Board, Expected};
use crate::domain::{EventBody, Fault, Outcome, Scope};
use crate::engine::Snapshot;

/// A board to be put.
#[derive(Debug)]
pub struct NewBoard<'a> {
    /// The name, which must be one that a board can have.
    pub name: &'a str,
    /// The board.
    pub board: Board,
    /// The state that the one in place must be in; any if `None`.
    pub expected: Option<Expected>,
}

/// Puts a board. Returns its version, which is the position at which it is visible.
///
/// [`Fault::Forbidden`] if it shows what the caller may not read; [`Fault::PreconditionFailed`] if the one in place is
/// not as expected; [`Fault::Refused`] with its problems; [`Fault::Conflict`] if there are too many others.
pub async fn put_board(context: Context<'_, WallboardsWrite>, wanted: NewBoard<'_>) -> Result<u64, Fault> {
    let NewBoard { name, board, expected } = wanted;
    let may_read = |scope| context.caller.may(scope);
    if !may_read(Scope::GraphqlRead) || board.shows_people() && !may_read(Scope::UsersRead) {
        return Err(Fault::Forbidden);
    }
    // Tried first, so that rejected boards do not fill the journal. The outcome of the event is what counts: boards and
    // directory may have changed by then.
    let check = |snapshot: &Snapshot| {
        let view = &snapshot.view;
        view.boards().check_put(view.directory(), name, &board, expected).map_err(fault)
    };
    context.decide(check).await?;
    let event = EventBody::WallboardPut { name: name.into(), board: Arc::new(board), expected };
    let receipt = context.commit(vec![context.event("rollcall:wallboards", event)]).await?;
    match (receipt.outcomes.into_iter().next(), receipt.positions.first()) {
        (Some(Outcome::Applied), Some(Some(version))) => Ok(*version),
        (Some(Outcome::Rejected(rejection)), _) => Err(fault(rejection)),
        _ => Err(Fault::Internal),
    }
}

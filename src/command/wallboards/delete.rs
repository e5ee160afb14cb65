//! Deletes a wallboard, as one event.

use super::fault;
use crate::auth::WallboardsWrite;
use crate::command::Context;
use crate::domain::board::Expected;
use crate::domain::{EventBody, Fault, Outcome};

/// Deletes a board that was put. Returns the position from which on it is gone.
///
/// [`Fault::NotFound`] if none of the name was put; [`Fault::PreconditionFailed`] if it is not as expected.
pub async fn delete_board(
    context: Context<'_, WallboardsWrite>,
    name: &str,
    expected: Option<Expected>,
) -> Result<u64, Fault> {
    context.decide(|snapshot| snapshot.view.boards().check_deletion(name, expected).map_err(fault)).await?;
    let event = EventBody::WallboardDeleted { name: name.into(), expected };
    let receipt = context.commit(vec![context.event("rollcall:wallboards", event)]).await?;
    match receipt.outcomes.into_iter().next() {
        Some(Outcome::Applied) => Ok(receipt.position),
        Some(Outcome::Rejected(rejection)) => Err(fault(rejection)),
        _ => Err(Fault::Internal),
    }
}

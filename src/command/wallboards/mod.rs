//! Wallboards: putting and deleting them, and their links.

pub mod delete;
pub mod make_link;
pub mod put;
pub mod revoke_link;

use crate::domain::Fault;
use crate::domain::event::Rejection;

/// Returns the fault of a change that the state rejects.
fn fault(rejection: Rejection) -> Fault {
    match rejection {
        Rejection::BoardVersion => Fault::PreconditionFailed("the wallboard has another version"),
        Rejection::UnknownBoard => Fault::NotFound("wallboard"),
        Rejection::Limit { .. } => Fault::Conflict("there are 50 wallboards already"),
        Rejection::Document(problems) => Fault::Refused(problems),
        _ => Fault::Internal,
    }
}

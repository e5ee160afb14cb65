//! Deletes an operator, for an administration.

use super::Context;
use crate::auth::OperatorsWrite;
use crate::domain::{EntityRef, EventBody, Fault, Outcome, UserRef};
use crate::engine::Snapshot;

/// Deletes an operator and returns the position from which that is in effect. [`Fault::NotFound`] if the operator is
/// unknown or was deleted before.
pub async fn delete_operator(context: Context<'_, OperatorsWrite>, operator: EntityRef) -> Result<u64, Fault> {
    let user = UserRef::Entity(operator);
    // Looked up first, so that callers who guess ids do not fill the journal.
    let is_known = |snapshot: &Snapshot| snapshot.view.directory().find(&user).map(drop);
    context.decide(|snapshot| is_known(snapshot).ok_or(Fault::NotFound("operator"))).await?;
    let event = context.event("rollcall:operator", EventBody::UserDeleted { user });
    let receipt = context.commit(vec![event]).await?;
    match receipt.outcomes.first() {
        Some(Outcome::Applied) => Ok(receipt.position),
        _ => Err(Fault::NotFound("operator")),
    }
}

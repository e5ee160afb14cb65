//! Deletes an operator, for an administration.

use crate::auth::Caller;
use crate::clock::Clock;
use crate::domain::{EntityRef, Event, EventBody, Fault, Outcome, Scope, UserRef};
use crate::engine::{Reader, Submitter};

/// Deletes an operator and returns the position from which that is in effect. [`Fault::NotFound`] if the operator is
/// unknown or was deleted before.
pub async fn delete_operator(
    caller: &Caller,
    (submitter, reader): (&Submitter, &Reader),
    clock: &Clock,
    operator: EntityRef,
) -> Result<u64, Fault> {
    caller.require(Scope::OperatorsWrite)?;
    let user = UserRef::Entity(operator);
    // Looked up first, so that callers who guess ids do not fill the journal.
    if reader.snapshot(caller.tenant()).view.directory().find(&user).is_none() {
        return Err(Fault::NotFound("operator"));
    }
    let body = EventBody::UserDeleted { user };
    let event = Event::internal("rollcall:operator", clock.new_id(), clock.now(), body);
    let receipt = submitter.commit(caller.tenant(), vec![event]).await?;
    match receipt.outcomes.first() {
        Some(Outcome::Applied) => Ok(receipt.position),
        _ => Err(Fault::NotFound("operator")),
    }
}

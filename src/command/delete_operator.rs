//! An administration deletes an operator.

use crate::auth::Caller;
use crate::clock::Clock;
use crate::domain::{Body, EntityRef, Event, Fault, Outcome, Scope, UserRef};
use crate::engine::{Reader, Submitter};

/// Deletes an operator; answers the position at which they are gone. [`Fault::NotFound`] for an unknown one, and for
/// one that was deleted before.
pub async fn delete_operator(
    caller: &Caller,
    (submitter, reader): (&Submitter, &Reader),
    clock: &Clock,
    operator: EntityRef,
) -> Result<u64, Fault> {
    caller.require(Scope::OperatorsWrite)?;
    let user = UserRef::Entity(operator);
    // Looked for first, so that those who guess ids do not fill the journal.
    if reader.snapshot(caller.tenant()).view.directory().find(&user).is_none() {
        return Err(Fault::NotFound("operator"));
    }
    let body = Body::UserDeleted { user };
    let event = Event::internal("rollcall:operator", clock.new_id(), clock.now(), body);
    let receipt = submitter.commit(caller.tenant(), vec![event]).await?;
    match receipt.outcomes.first() {
        Some(Outcome::Applied) => Ok(receipt.position),
        _ => Err(Fault::NotFound("operator")),
    }
}

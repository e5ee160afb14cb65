//! Sets the limits on a tenant's data, for the administrator.

use crate::auth::Admin;
use crate::clock::Clock;
use crate::domain::{Event, EventBody, Fault, Outcome, Quotas, TenantId};
use crate::engine::Submitter;
use crate::store::{Store, in_time};

/// Replaces the tenant's limits by an event in its journal. They are in effect from the returned position.
/// [`Fault::NotFound`] for an unknown tenant, [`Fault::Refused`] for numbers out of range.
pub async fn set_limits(
    _admin: &Admin,
    (store, submitter): (&Store, &Submitter),
    clock: &Clock,
    tenant: TenantId,
    limits: Quotas,
) -> Result<u64, Fault> {
    let problems = limits.check();
    if !problems.is_empty() {
        return Err(Fault::Refused(problems));
    }
    // Checked here: a commit for an unknown tenant is answered as unavailable and logged as an error.
    if !in_time(store.tenants()).await?.iter().any(|known| known.id == tenant) {
        return Err(Fault::NotFound("tenant"));
    }
    let event = Event::internal("rollcall:limits", clock.new_id(), clock.now(), EventBody::LimitsSet { limits });
    let receipt = submitter.commit(tenant, vec![event]).await?;
    match receipt.outcomes.first() {
        Some(Outcome::Applied) => Ok(receipt.position),
        _ => Err(Fault::Internal),
    }
}

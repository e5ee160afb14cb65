//! Sets the limits on a tenant's data, for the administrator.

use crate::auth::Admin;
use crate::clock::Clock;
use crate::domain::{Event, EventBody, Fault, Outcome, Quotas};
use crate::engine::Submitter;
use crate::store::TenantRecord;

/// Replaces the tenant's limits by an event in its journal. They are in effect from the returned position. The tenant
/// is a record of the store, since a commit for an unknown tenant is answered as unavailable and logged as an error.
///
/// [`Fault::Refused`] for numbers out of range.
pub async fn set_limits(
    _admin: &Admin,
    submitter: &Submitter,
    clock: &Clock,
    tenant: &TenantRecord,
    limits: Quotas,
) -> Result<u64, Fault> {
    let problems = limits.check();
    if !problems.is_empty() {
        return Err(Fault::Refused(problems));
    }
    let event = Event::internal("rollcall:limits", clock.new_id(), clock.now(), EventBody::LimitsSet { limits });
    let receipt = submitter.commit(tenant.id, vec![event]).await?;
    match receipt.outcomes.first() {
        Some(Outcome::Applied) => Ok(receipt.position),
        _ => Err(Fault::Internal),
    }
}

//! The administrator limits what a tenant may keep.

use crate::auth::Admin;
use crate::clock::Clock;
use crate::domain::{Body, Event, Fault, Outcome, Quotas, TenantId};
use crate::engine::Submitter;
use crate::store::{Store, in_time};

/// Replaces the tenant's limits, as an event in its journal; they hold from the position that is returned.
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
    // The journal would take an entry of any tenant.
    if !in_time(store.tenants()).await?.iter().any(|known| known.id == tenant) {
        return Err(Fault::NotFound("tenant"));
    }
    let event = Event::internal("rollcall:limits", clock.new_id(), clock.now(), Body::LimitsSet { limits });
    let receipt = submitter.commit(tenant, vec![event]).await?;
    match receipt.outcomes.first() {
        Some(Outcome::Applied) => Ok(receipt.position),
        _ => Err(Fault::Internal),
    }
}

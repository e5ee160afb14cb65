//! The limits of each tenant: requests a second, events a second, and requests at a time.

use std::fmt;
use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::rate::Rate;
use crate::clock::Clock;
use crate::domain::{Fault, TenantId};

/// Events of the largest request. It is the smallest burst, so that any request is admitted at some time at any rate.
const LARGEST_REQUEST: u32 = 10_000;

/// The limits that apply to every tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TenantLimits {
    /// Requests a second, including messages of desks. The burst is twice that. 0 means no limit.
    pub rate: u32,
    /// Events a second. The burst is twice that, and 10,000 at least. 0 means no limit.
    pub events: u32,
    /// Requests at a time. 0 means no limit.
    pub at_a_time: usize,
}

impl Default for TenantLimits {
    /// Returns limits far above the usual load of desks and dashboards.
    fn default() -> Self {
        TenantLimits { rate: 50_000, events: 100_000, at_a_time: 1_024 }
    }
}

/// Every tenant's rates and running requests. A clone shares them.
#[derive(Clone)]
pub struct TenantBudgets(Arc<Inner>);

struct Inner {
    clock: Clock,
    limits: TenantLimits,
    /// Has only tenants of valid credentials, so that it cannot grow beyond the number of tenants.
    tenants: papaya::HashMap<TenantId, Arc<Gate>>,
}

/// One tenant's rates and permits; `None` without a limit.
struct Gate {
    rate: Option<Rate>,
    events: Option<Rate>,
    at_a_time: Option<Arc<Semaphore>>,
}

/// A running request of a tenant, released when dropped.
#[derive(Debug)]
pub struct TenantPermit {
    _permit: Option<OwnedSemaphorePermit>,
}

impl fmt::Debug for TenantBudgets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TenantBudgets")
    }
}

impl TenantBudgets {
    /// Makes budgets with the same limits for every tenant.
    pub fn new(limits: TenantLimits, clock: &Clock) -> Self {
        TenantBudgets(Arc::new(Inner { clock: clock.clone(), limits, tenants: papaya::HashMap::new() }))
    }

    /// Counts a request of a tenant and admits it. [`Fault::TooMany`] beyond the rate or the number at a time.
    pub fn enter(&self, tenant: TenantId) -> Result<TenantPermit, Fault> {
        let gate = self.gate(tenant);
        // The permit is taken first: a request that gets none does not count against the rate.
        let permit = gate.at_a_time.as_ref().map(|permits| permits.clone().try_acquire_owned()).transpose();
        let permit = permit.map_err(|_| Fault::TooMany { seconds: 1 })?;
        gate.rate.as_ref().map_or(Ok(()), Rate::check)?;
        Ok(TenantPermit { _permit: permit })
    }

    /// Counts a message of a connected desk as a request. [`Fault::TooMany`] beyond the rate.
    pub fn count_message(&self, tenant: TenantId) -> Result<(), Fault> {
        self.gate(tenant).rate.as_ref().map_or(Ok(()), Rate::check)
    }

    /// Counts the events of a request, all or none. [`Fault::TooMany`] beyond the rate. Call it before any of them is
    /// submitted, so that a rejected request appends nothing.
    pub fn count_events(&self, tenant: TenantId, events: usize) -> Result<(), Fault> {
        let events = u32::try_from(events).unwrap_or(u32::MAX);
        self.gate(tenant).events.as_ref().map_or(Ok(()), |rate| rate.check_many(events))
    }

    /// Forgets a tenant that was deleted.
    pub fn remove(&self, tenant: TenantId) {
        self.0.tenants.pin().remove(&tenant);
    }

    /// Requests that each tenant may send a second; `None` without a limit.
    pub fn requests_a_second(&self) -> Option<u32> {
        Some(self.0.limits.rate).filter(|rate| *rate > 0)
    }

    fn gate(&self, tenant: TenantId) -> Arc<Gate> {
        self.0.tenants.pin().get_or_insert_with(tenant, || Arc::new(self.new_gate())).clone()
    }

    fn new_gate(&self) -> Gate {
        let TenantLimits { rate, events, at_a_time } = self.0.limits;
        Gate {
            rate: Rate::new(rate, rate.saturating_mul(2), &self.0.clock),
            events: Rate::new(events, events.saturating_mul(2).max(LARGEST_REQUEST), &self.0.clock),
            at_a_time: (at_a_time > 0).then(|| Arc::new(Semaphore::new(at_a_time))),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use uuid::Uuid;

    use super::*;
    use crate::domain::Time;

    const ACME: TenantId = TenantId(Uuid::from_u128(1));
    const OTHER: TenantId = TenantId(Uuid::from_u128(2));

    fn stage(rate: u32, at_a_time: usize) -> (Clock, TenantBudgets) {
        let clock = Clock::manual(Time::from_micros(0));
        (clock.clone(), TenantBudgets::new(TenantLimits { rate, events: 5, at_a_time }, &clock))
    }

    #[test]
    fn each_tenant_has_its_rate_and_a_burst_of_twice_that() {
        let (clock, traffic) = stage(10, 0);
        let taken = |tenant| (0..100).take_while(|_| traffic.enter(tenant).is_ok()).count();
        assert_eq!((taken(ACME), taken(OTHER)), (20, 20));
        assert_eq!(traffic.enter(ACME).unwrap_err(), Fault::TooMany { seconds: 1 });
        clock.advance(Duration::from_millis(500));
        assert_eq!(taken(ACME), 5);
        clock.advance(Duration::from_secs(60));
        assert_eq!(taken(ACME), 20);
    }

    #[test]
    fn requests_at_a_time_are_limited_by_tenant() {
        let (_, traffic) = stage(0, 3);
        let held: Vec<TenantPermit> = (0..3).map(|_| traffic.enter(ACME).unwrap()).collect();
        assert_eq!(traffic.enter(ACME).unwrap_err(), Fault::TooMany { seconds: 1 });
        assert!(traffic.enter(OTHER).is_ok());
        drop(held);
        assert!(traffic.enter(ACME).is_ok());
    }

    #[test]
    fn refused_requests_do_not_count_against_the_rate() {
        let (_, traffic) = stage(1, 1);
        let held = traffic.enter(ACME).unwrap();
        for _ in 0..10 {
            assert!(traffic.enter(ACME).is_err());
        }
        drop(held);
        assert!(traffic.enter(ACME).is_ok());
        assert!(traffic.enter(ACME).is_err());
    }

    #[test]
    fn zero_means_no_limit() {
        let (_, traffic) = stage(0, 0);
        let held: Vec<_> = (0..10_000).map(|_| traffic.enter(ACME)).collect();
        assert!(held.iter().all(Result::is_ok));
    }

    #[test]
    fn events_of_a_request_are_counted_all_or_none() {
        let (clock, traffic) = stage(0, 0);
        assert_eq!(traffic.count_events(ACME, 9_990), Ok(()));
        assert!(traffic.count_events(ACME, 11).is_err());
        assert_eq!(traffic.count_events(ACME, 10), Ok(()), "none of the eleven was counted");
        assert_eq!(traffic.count_events(OTHER, 10_000), Ok(()));
        assert!(traffic.count_events(ACME, 5).is_err());
        clock.advance(Duration::from_secs(1));
        assert_eq!(traffic.count_events(ACME, 5), Ok(()));
        clock.advance(Duration::from_secs(3_600));
        assert_eq!(traffic.count_events(ACME, 10_000), Ok(()), "the largest request fits at any rate");
    }
}

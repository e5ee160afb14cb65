//! How much one tenant may ask: so often, and so much at a time. What one floods with is then refused, and the others
//! wait for a bounded number of its requests.

use std::fmt;
use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::throttle::Rate;
use crate::clock::Clock;
use crate::domain::{Fault, TenantId};

/// What every tenant may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TenantLimits {
    /// Requests a second, and twice as many at once after a pause; 0 for as many as there are.
    pub rate: u32,
    /// Requests at a time, likewise.
    pub at_a_time: usize,
}

impl Default for TenantLimits {
    /// Far above what desks and dashboards ask for: above what this service takes in from one sender, even.
    fn default() -> Self {
        TenantLimits { rate: 50_000, at_a_time: 1_024 }
    }
}

/// Who is being answered now, and how often they have asked of late. A clone shares it.
#[derive(Clone)]
pub struct Traffic(Arc<Inner>);

struct Inner {
    clock: Clock,
    limits: TenantLimits,
    /// Only of those whom a credential named, so that it cannot grow beyond the tenants there are.
    tenants: papaya::HashMap<TenantId, Arc<Gate>>,
}

struct Gate {
    rate: Option<Rate>,
    places: Option<Arc<Semaphore>>,
}

/// One request's place among those of its tenant; given back when dropped.
#[derive(Debug)]
pub struct Place {
    _permit: Option<OwnedSemaphorePermit>,
}

impl fmt::Debug for Traffic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Traffic")
    }
}

impl Traffic {
    /// Nobody has asked yet.
    pub fn new(limits: TenantLimits, clock: &Clock) -> Self {
        Traffic(Arc::new(Inner { clock: clock.clone(), limits, tenants: papaya::HashMap::new() }))
    }

    /// Counts a request of a tenant, and gives it a place; [`Fault::TooMany`] if there were too many, or are.
    pub fn enter(&self, tenant: TenantId) -> Result<Place, Fault> {
        let tenants = self.0.tenants.pin();
        let gate = tenants.get_or_insert_with(tenant, || Arc::new(self.gate()));
        // A place first: a request that gets none does not count, and leaves the tenant its next attempt.
        let permit = gate.places.as_ref().map(|places| places.clone().try_acquire_owned()).transpose();
        let permit = permit.map_err(|_| Fault::TooMany { seconds: 1 })?;
        gate.rate.as_ref().map_or(Ok(()), Rate::check)?;
        Ok(Place { _permit: permit })
    }

    fn gate(&self) -> Gate {
        let TenantLimits { rate, at_a_time } = self.0.limits;
        Gate {
            rate: Rate::a_second(rate, &self.0.clock),
            places: (at_a_time > 0).then(|| Arc::new(Semaphore::new(at_a_time))),
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

    fn stage(rate: u32, at_a_time: usize) -> (Clock, Traffic) {
        let clock = Clock::manual(Time::from_micros(0));
        (clock.clone(), Traffic::new(TenantLimits { rate, at_a_time }, &clock))
    }

    #[test]
    fn so_many_a_second_and_twice_as_many_at_once() {
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
    fn so_many_at_a_time() {
        let (_, traffic) = stage(0, 3);
        let held: Vec<Place> = (0..3).map(|_| traffic.enter(ACME).unwrap()).collect();
        assert_eq!(traffic.enter(ACME).unwrap_err(), Fault::TooMany { seconds: 1 });
        assert!(traffic.enter(OTHER).is_ok());
        drop(held);
        assert!(traffic.enter(ACME).is_ok());
    }

    #[test]
    fn whoever_is_refused_for_want_of_a_place_has_not_asked() {
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
    fn none_is_as_many_as_there_are() {
        let (_, traffic) = stage(0, 0);
        let held: Vec<_> = (0..10_000).map(|_| traffic.enter(ACME)).collect();
        assert!(held.iter().all(Result::is_ok));
    }
}

//! The time since each tenant's state was last confirmed to be the newest, on a server that follows others.
//!
//! A look at the heads confirms from the time at which it began, once a later commit on the same session was acknowledged: a
//! server that PostgreSQL's failover has deposed still answers reads, and its heads are old.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

use super::super::views::Views;
use crate::clock::{Clock, millis};
use crate::domain::TenantId;

/// Looks that are kept of a tenant that is behind: those of several seconds. Without the others it is taken for older than
/// it is.
const MAX_LOOKS: usize = 64;

/// The newest confirmed look, and the tenants whose states it found behind.
#[derive(Debug)]
pub(in crate::engine) struct Confirmations {
    clock: Clock,
    views: Arc<Views>,
    /// One more than the milliseconds of monotonic time at which the newest confirmed look began; 0 before the first. So are
    /// all times here.
    newest: AtomicU64,
    behind: papaya::HashMap<TenantId, Arc<Mutex<Behind>>>,
}

/// A tenant whose state was behind its head at the newest look.
#[derive(Debug)]
struct Behind {
    /// The time at which the newest look began that the state has reached.
    reached: u64,
    /// The heads of later looks and the times at which these began, in order.
    looks: VecDeque<(u64, u64)>,
}

impl Behind {
    /// Returns the time of the newest look that a state at `position` has reached.
    fn reached(&mut self, position: u64) -> u64 {
        while let Some((_, began)) = self.looks.front().copied().filter(|(head, _)| *head <= position) {
            self.reached = began;
            self.looks.pop_front();
        }
        self.reached
    }
}

impl Confirmations {
    pub fn new(views: Arc<Views>, clock: Clock) -> Self {
        Confirmations { clock, views, newest: AtomicU64::new(0), behind: papaya::HashMap::new() }
    }

    /// Notes a look at all heads that began at this monotonic time and is confirmed, with the heads of the tenants whose
    /// states are behind.
    pub fn confirm(&self, began: Duration, behind: &[(TenantId, u64)]) {
        let began = millis(began) + 1;
        let before = self.newest.load(Ordering::Acquire);
        let tenants = self.behind.pin();
        for (tenant, head) in behind {
            let new = || Arc::new(Mutex::new(Behind { reached: before, looks: VecDeque::new() }));
            let mut known = tenants.get_or_insert_with(*tenant, new).lock();
            if known.looks.len() < MAX_LOOKS {
                known.looks.push_back((*head, began));
            }
        }
        // After the tenants that are behind, which a reader would otherwise take for confirmed by this look; and before those
        // that are not are removed.
        self.newest.fetch_max(began, Ordering::AcqRel);
        let behind: HashSet<TenantId> = behind.iter().map(|(tenant, _)| *tenant).collect();
        tenants.retain(|tenant, _| behind.contains(tenant));
    }

    /// Returns the milliseconds since a tenant's state at `position` was confirmed to be its newest.
    pub fn staleness_ms(&self, tenant: TenantId, position: u64) -> u64 {
        // Read first: a look that is confirmed in between makes the state older, not newer.
        let newest = self.newest.load(Ordering::Acquire);
        let reached = self.behind.pin().get(&tenant).map_or(newest, |behind| behind.lock().reached(position));
        self.age(reached)
    }

    /// Returns the milliseconds since the state of every tenant in service was confirmed to be its newest.
    pub fn oldest_ms(&self) -> u64 {
        let newest = self.newest.load(Ordering::Acquire);
        let behind = self.behind.pin();
        let served = behind.iter().filter(|(tenant, _)| !self.views.is_absent(**tenant));
        let reached = served.map(|(tenant, behind)| behind.lock().reached(self.views.tail(*tenant).seq));
        self.age(reached.min().unwrap_or(newest).min(newest))
    }

    /// Returns the milliseconds since the newest confirmed look began; since the clock was made before the first.
    pub fn unconfirmed_ms(&self) -> u64 {
        self.age(self.newest.load(Ordering::Acquire))
    }

    /// Returns true once a look was confirmed.
    pub fn is_confirmed(&self) -> bool {
        self.newest.load(Ordering::Acquire) > 0
    }

    fn age(&self, at: u64) -> u64 {
        millis(self.clock.monotonic()).saturating_sub(at.saturating_sub(1))
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::domain::Time;

    const OURS: TenantId = TenantId(Uuid::from_u128(1));
    const THEIRS: TenantId = TenantId(Uuid::from_u128(2));

    fn confirmations() -> (Clock, Confirmations) {
        let clock = Clock::manual(Time::from_micros(0));
        clock.advance(Duration::from_secs(1));
        (clock.clone(), Confirmations::new(Arc::default(), clock))
    }

    fn step(clock: &Clock) -> Duration {
        clock.advance(Duration::from_millis(250));
        clock.monotonic()
    }

    #[test]
    fn a_state_is_as_old_as_the_newest_look_that_it_has_reached() {
        let (clock, confirmations) = confirmations();
        assert!(!confirmations.is_confirmed());
        assert_eq!(confirmations.staleness_ms(OURS, 0), 1_000, "no look was confirmed");
        confirmations.confirm(step(&clock), &[]);
        let shown = |position| confirmations.staleness_ms(OURS, position);
        assert_eq!((shown(10), confirmations.oldest_ms()), (0, 0));
        confirmations.confirm(step(&clock), &[(OURS, 12)]);
        confirmations.confirm(step(&clock), &[(OURS, 15)]);
        assert_eq!(confirmations.staleness_ms(THEIRS, 3), 0, "another tenant is not behind");
        assert_eq!((confirmations.oldest_ms(), confirmations.unconfirmed_ms()), (500, 0));
        assert_eq!(shown(11), 500);
        assert_eq!(shown(12), 250);
        step(&clock);
        assert_eq!(shown(14), 500);
        assert_eq!(shown(15), 250, "as old as the look");
        confirmations.confirm(step(&clock), &[]);
        assert_eq!(shown(15), 0);
    }

    #[test]
    fn a_tenant_out_of_service_does_not_count() {
        let (clock, confirmations) = confirmations();
        confirmations.confirm(step(&clock), &[]);
        confirmations.confirm(step(&clock), &[(OURS, 5)]);
        assert_eq!(confirmations.oldest_ms(), 250);
        confirmations.views.quarantine(OURS);
        assert_eq!(confirmations.oldest_ms(), 0);
    }

    #[test]
    fn looks_that_are_not_kept_make_a_state_older_and_never_newer() {
        let (clock, confirmations) = confirmations();
        confirmations.confirm(step(&clock), &[]);
        let first = clock.monotonic();
        for n in 1..=200 {
            confirmations.confirm(step(&clock), &[(OURS, n)]);
        }
        let since = |looks: u32| (clock.monotonic() - first - Duration::from_millis(250) * looks).as_millis() as u64;
        assert_eq!(confirmations.staleness_ms(OURS, 0), since(0));
        assert_eq!(confirmations.staleness_ms(OURS, 10), since(10));
        assert_eq!(confirmations.staleness_ms(OURS, 200), since(MAX_LOOKS as u32));
    }
}

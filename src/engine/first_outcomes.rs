//! The first outcomes of recent events, which the answers to repeats include.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use super::request::FirstOutcome;
use crate::domain::{Entry, EventId, Outcome, TenantId, Time};

/// The most bytes kept for one tenant.
const TENANT_BYTES: usize = 64 * 1024;
/// The most bytes kept for all tenants together.
const ALL_BYTES: usize = 64 * 1024 * 1024;
/// Bytes that an entry takes besides its texts.
const ENTRY_OVERHEAD: usize = 160;

/// The newest outcomes of each tenant other than `applied`. An event without an outcome was applied if it was recorded
/// after [`TenantOutcomes::unknown_until`].
#[derive(Debug, Default)]
pub struct FirstOutcomes {
    tenants: HashMap<TenantId, TenantOutcomes>,
    bytes: usize,
}

/// One tenant's outcomes.
#[derive(Debug)]
struct TenantOutcomes {
    outcomes: HashMap<EventId, Noted>,
    /// The ids in the order of arrival, the oldest first.
    order: VecDeque<EventId>,
    bytes: usize,
    /// The recorded time up to which outcomes are missing: that of the checkpoint, or of the newest outcome that was
    /// evicted or not recorded.
    unknown_until: Time,
}

impl Default for TenantOutcomes {
    fn default() -> Self {
        let (outcomes, order) = (HashMap::new(), VecDeque::new());
        TenantOutcomes { outcomes, order, bytes: 0, unknown_until: Time::NEVER }
    }
}

/// A recorded outcome.
#[derive(Clone, Debug)]
struct Noted {
    first: Arc<FirstOutcome>,
    /// Recorded time of the entry.
    recorded: Time,
}

impl FirstOutcomes {
    /// Notes that the outcomes of a tenant's entries recorded up to `recorded` are not known: a checkpoint covers them.
    pub fn begin(&mut self, tenant: TenantId, recorded: Time) {
        self.tenants.entry(tenant).or_default().unknown_until = recorded;
    }

    /// Records the outcome of an entry, unless it is `applied`. Evicts the tenant's oldest outcomes where needed; if the
    /// bytes of all tenants are used up and none of them are its own, the outcome is not recorded.
    pub fn note(&mut self, tenant: TenantId, entry: &Entry, outcome: &Outcome) {
        if matches!(outcome, Outcome::Applied | Outcome::Upserted(_) | Outcome::Duplicate) {
            return;
        }
        let (id, recorded) = (&entry.event.id, entry.recorded);
        let reason = outcome.reason().map(Into::into);
        let first = Arc::new(FirstOutcome { outcome: outcome.name(), reason });
        let size = size(id, &first);
        let known = self.tenants.entry(tenant).or_default();
        while known.bytes + size > TENANT_BYTES || (self.bytes + size > ALL_BYTES && known.bytes > 0) {
            let Some(oldest) = known.order.pop_front() else {
                // Nothing is left to evict: the outcome alone is larger than the tenant's share.
                known.unknown_until = recorded;
                return;
            };
            if let Some(gone) = known.outcomes.remove(&oldest) {
                let freed = self::size(&oldest, &gone.first);
                known.bytes -= freed;
                self.bytes -= freed;
                known.unknown_until = known.unknown_until.max(gone.recorded);
            }
        }
        if self.bytes + size > ALL_BYTES {
            known.unknown_until = recorded;
            return;
        }
        known.bytes += size;
        self.bytes += size;
        match known.outcomes.insert(id.clone(), Noted { first, recorded }) {
            None => known.order.push_back(id.clone()),
            // An id that came back after the dedupe window: the replaced outcome may have had another size.
            Some(replaced) => {
                let freed = self::size(id, &replaced.first);
                known.bytes -= freed;
                self.bytes -= freed;
            }
        }
    }

    /// Forgets a tenant.
    pub fn remove(&mut self, tenant: TenantId) {
        if let Some(known) = self.tenants.remove(&tenant) {
            self.bytes -= known.bytes;
        }
    }

    /// Returns the first outcome of a repeated event, whose entry was recorded at `recorded`: `None` if that was
    /// `applied`, [`FirstOutcome::UNKNOWN`] if it is not known.
    pub fn get(&self, tenant: TenantId, id: &EventId, recorded: Time) -> Option<Arc<FirstOutcome>> {
        let known = self.tenants.get(&tenant);
        if let Some(noted) = known.and_then(|known| known.outcomes.get(id)) {
            return Some(noted.first.clone());
        }
        let unknown_until = known.map_or(Time::NEVER, |known| known.unknown_until);
        (recorded <= unknown_until).then(|| Arc::new(FirstOutcome::UNKNOWN))
    }
}

/// Returns the bytes of an entry. Its id is held twice, in the map and in the order; the source is shared by both.
fn size(id: &EventId, first: &FirstOutcome) -> usize {
    ENTRY_OVERHEAD + 2 * id.id.len() + id.source.len() + first.reason.as_ref().map_or(0, |reason| reason.len())
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::domain::event::Rejection;
    use crate::domain::{Event, EventBody, Quotas};

    fn at(n: u64) -> Time {
        Time::from_micros(n as i64)
    }

    /// An entry recorded at `at(n)`.
    fn entry(n: u64) -> Entry {
        let body = EventBody::LimitsSet { limits: Quotas::default() };
        Entry {
            seq: n,
            recorded: at(n),
            event: Event::internal("rollcall:test", Uuid::from_u128(n.into()), at(n), body),
        }
    }

    fn get(firsts: &FirstOutcomes, tenant: TenantId, n: u64) -> Option<&'static str> {
        firsts.get(tenant, &entry(n).event.id, at(n)).map(|first| first.outcome)
    }

    #[test]
    fn each_tenant_keeps_its_newest_outcomes_within_its_bound() {
        let (one, other) = (TenantId(Uuid::from_u128(1)), TenantId(Uuid::from_u128(2)));
        let mut firsts = FirstOutcomes::default();
        firsts.note(other, &entry(0), &Outcome::Stale);
        firsts.note(one, &entry(0), &Outcome::Applied);
        assert_eq!(get(&firsts, one, 0), None, "it was applied");
        for n in 1..10_000 {
            firsts.note(one, &entry(2 * n), &Outcome::Rejected(Rejection::UnknownUser));
            firsts.note(one, &entry(2 * n + 1), &Outcome::Applied);
        }
        assert!(firsts.tenants[&one].bytes <= TENANT_BYTES);
        assert_eq!(get(&firsts, one, 2), Some("unknown"), "the oldest is evicted");
        assert_eq!(get(&firsts, one, 0), Some("unknown"), "it could have been evicted");
        let newest = firsts.get(one, &entry(19_998).event.id, at(19_998)).unwrap();
        assert_eq!((newest.outcome, newest.reason.as_deref()), ("rejected", Some("unknown user")));
        assert_eq!(get(&firsts, one, 19_999), None, "it was applied");
        assert_eq!(get(&firsts, other, 0), Some("stale"), "other tenants' outcomes stay");
        assert_eq!(firsts.bytes, firsts.tenants.values().map(|known| known.bytes).sum::<usize>());
        firsts.remove(one);
        assert_eq!((firsts.bytes, firsts.tenants.len()), (firsts.tenants[&other].bytes, 1));
    }

    #[test]
    fn outcomes_up_to_the_checkpoint_are_unknown() {
        let tenant = TenantId(Uuid::from_u128(1));
        let mut firsts = FirstOutcomes::default();
        firsts.begin(tenant, at(5));
        firsts.note(tenant, &entry(6), &Outcome::Applied);
        firsts.note(tenant, &entry(7), &Outcome::Stale);
        let outcomes = [4, 5, 6, 7].map(|n| get(&firsts, tenant, n));
        assert_eq!(outcomes, [Some("unknown"), Some("unknown"), None, Some("stale")]);
        assert_eq!(get(&firsts, TenantId(Uuid::from_u128(2)), 1), None, "a tenant without a checkpoint");
    }

    #[test]
    fn an_outcome_that_replaces_another_is_counted_by_its_own_size() {
        let tenant = TenantId(Uuid::from_u128(1));
        let mut firsts = FirstOutcomes::default();
        firsts.note(tenant, &entry(0), &Outcome::Stale);
        firsts.note(tenant, &entry(0), &Outcome::Rejected(Rejection::UnknownUser));
        let kept: usize = firsts.tenants[&tenant].outcomes.iter().map(|(id, noted)| size(id, &noted.first)).sum();
        assert_eq!((firsts.bytes, firsts.tenants[&tenant].bytes), (kept, kept));
        for n in 1..10_000 {
            firsts.note(tenant, &entry(n), &Outcome::Stale);
        }
        assert!(firsts.tenants[&tenant].bytes <= TENANT_BYTES);
    }
}

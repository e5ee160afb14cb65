//! The first outcomes of recent events, which the answers to repeats include.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use super::request::FirstOutcome;
use crate::domain::{EventId, Outcome, TenantId};

/// The most bytes kept for one tenant.
const TENANT_BYTES: usize = 64 * 1024;
/// The most bytes kept for all tenants together.
const ALL_BYTES: usize = 64 * 1024 * 1024;
/// Bytes that an entry takes besides its texts.
const ENTRY_OVERHEAD: usize = 160;

/// The newest outcomes of each tenant other than `applied`. An event without an entry was applied, or its entry was
/// evicted.
#[derive(Debug, Default)]
pub(super) struct FirstOutcomes {
    tenants: HashMap<TenantId, TenantOutcomes>,
    bytes: usize,
}

/// One tenant's outcomes.
#[derive(Debug, Default)]
struct TenantOutcomes {
    outcomes: HashMap<EventId, Arc<FirstOutcome>>,
    /// The ids in the order of arrival, the oldest first.
    order: VecDeque<EventId>,
    bytes: usize,
}

impl FirstOutcomes {
    /// Records the outcome of an event, unless it is `applied` or `duplicate`. Evicts the tenant's oldest entries where
    /// needed; if the bytes of all tenants are used up and none of them are its own, the outcome is not recorded.
    pub fn note(&mut self, tenant: TenantId, id: &EventId, outcome: &Outcome) {
        if matches!(outcome, Outcome::Applied | Outcome::Upserted(_) | Outcome::Duplicate) {
            return;
        }
        let reason = outcome.reason().map(Into::into);
        let first = Arc::new(FirstOutcome { outcome: outcome.name(), reason });
        let size = size(id, &first);
        let known = self.tenants.entry(tenant).or_default();
        while known.bytes + size > TENANT_BYTES || (self.bytes + size > ALL_BYTES && known.bytes > 0) {
            // Nothing is left to evict: the entry alone is larger than the tenant's share.
            let Some(oldest) = known.order.pop_front() else { return };
            if let Some(gone) = known.outcomes.remove(&oldest) {
                let freed = self::size(&oldest, &gone);
                known.bytes -= freed;
                self.bytes -= freed;
            }
        }
        if self.bytes + size > ALL_BYTES {
            return;
        }
        known.bytes += size;
        self.bytes += size;
        match known.outcomes.insert(id.clone(), first) {
            None => known.order.push_back(id.clone()),
            // An id that came back after the dedupe window: the replaced outcome may have had another size.
            Some(replaced) => {
                let freed = self::size(id, &replaced);
                known.bytes -= freed;
                self.bytes -= freed;
            }
        }
    }

    /// Returns the first outcome of a repeated event, if it is still recorded.
    pub fn get(&self, tenant: TenantId, id: &EventId) -> Option<Arc<FirstOutcome>> {
        self.tenants.get(&tenant)?.outcomes.get(id).cloned()
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

    fn id(n: usize) -> EventId {
        EventId { source: "/tests".into(), id: n.to_string().into() }
    }

    #[test]
    fn each_tenant_keeps_its_newest_outcomes_within_its_bound() {
        let (one, other) = (TenantId(Uuid::from_u128(1)), TenantId(Uuid::from_u128(2)));
        let mut firsts = FirstOutcomes::default();
        firsts.note(other, &id(0), &Outcome::Stale);
        for n in 0..10_000 {
            firsts.note(one, &id(n), &Outcome::Rejected(Rejection::UnknownUser));
            firsts.note(one, &id(n), &Outcome::Applied);
        }
        assert!(firsts.tenants[&one].bytes <= TENANT_BYTES);
        assert_eq!(firsts.get(one, &id(0)), None, "the oldest is evicted");
        let newest = firsts.get(one, &id(9_999)).unwrap();
        assert_eq!((newest.outcome, newest.reason.as_deref()), ("rejected", Some("unknown user")));
        assert_eq!(firsts.get(other, &id(0)).unwrap().outcome, "stale", "other tenants' entries stay");
        assert_eq!(firsts.bytes, firsts.tenants.values().map(|known| known.bytes).sum::<usize>());
    }

    #[test]
    fn an_outcome_that_replaces_another_is_counted_by_its_own_size() {
        let tenant = TenantId(Uuid::from_u128(1));
        let mut firsts = FirstOutcomes::default();
        firsts.note(tenant, &id(0), &Outcome::Stale);
        firsts.note(tenant, &id(0), &Outcome::Rejected(Rejection::UnknownUser));
        let kept: usize = firsts.tenants[&tenant].outcomes.iter().map(|(id, first)| size(id, first)).sum();
        assert_eq!((firsts.bytes, firsts.tenants[&tenant].bytes), (kept, kept));
        for n in 1..10_000 {
            firsts.note(tenant, &id(n), &Outcome::Stale);
        }
        assert!(firsts.tenants[&tenant].bytes <= TENANT_BYTES);
    }
}

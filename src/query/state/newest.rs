//! The newest result of the background check of each tenant, as one server has them.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use parking_lot::Mutex;

use super::self_check::Checked;
use crate::domain::{TenantId, Time};

/// Most tenants with differences that a summary lists.
const MOST_TENANTS: usize = 20;

/// The newest results. Clones share them.
#[derive(Clone, Debug)]
pub struct NewestChecks(Arc<Mutex<Results>>);

#[derive(Debug)]
struct Results {
    since: Time,
    checks: u64,
    tenants: BTreeMap<TenantId, NewestCheck>,
}

/// The newest result of a tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewestCheck {
    /// Time at which the check ended.
    pub checked: Time,
    /// Position of the state that was checked.
    pub position: u64,
    /// Number of differences.
    pub differences: u64,
    /// Descriptions of the first differences.
    pub texts: Vec<String>,
}

/// The newest results of all tenants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChecksSummary {
    /// Time since which this server checks.
    pub since: Time,
    /// Number of checks since then.
    pub checks: u64,
    /// Number of tenants with a result.
    pub tenants: usize,
    /// Time of the oldest of the newest results; `None` without any.
    pub oldest: Option<Time>,
    /// Number of differences in the newest results.
    pub differences: u64,
    /// Number of tenants whose newest result has differences.
    pub affected: usize,
    /// The first of these by id, at most 20, with their results.
    pub listed: Vec<(TenantId, NewestCheck)>,
}

impl NewestChecks {
    /// Creates an empty list. `since` is the time of the server's start.
    pub fn new(since: Time) -> Self {
        NewestChecks(Arc::new(Mutex::new(Results { since, checks: 0, tenants: BTreeMap::new() })))
    }

    /// Stores a result in place of the tenant's previous one.
    pub fn note(&self, tenant: TenantId, checked: Time, result: Checked) {
        let Checked { position, findings, .. } = result;
        let differences = findings.differences();
        let newest = NewestCheck { checked, position, differences, texts: findings.into_texts() };
        let mut results = self.0.lock();
        results.checks += 1;
        results.tenants.insert(tenant, newest);
    }

    /// Drops the results of tenants that are not served any more.
    pub fn retain(&self, served: &HashSet<TenantId>) {
        self.0.lock().tenants.retain(|tenant, _| served.contains(tenant));
    }

    /// Returns the newest results of all tenants.
    pub fn summary(&self) -> ChecksSummary {
        let results = self.0.lock();
        let affected = || results.tenants.iter().filter(|(_, newest)| newest.differences > 0);
        ChecksSummary {
            since: results.since,
            checks: results.checks,
            tenants: results.tenants.len(),
            oldest: results.tenants.values().map(|newest| newest.checked).min(),
            differences: affected().map(|(_, newest)| newest.differences).sum(),
            affected: affected().count(),
            listed: affected().take(MOST_TENANTS).map(|(tenant, newest)| (*tenant, newest.clone())).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::live::state::Findings;

    fn at(seconds: i64) -> Time {
        Time::from_micros(seconds * 1_000_000)
    }

    fn tenant(n: u128) -> TenantId {
        TenantId(Uuid::from_u128(n))
    }

    fn result(position: u64, differences: u64) -> Checked {
        let mut findings = Findings::default();
        (0..differences).for_each(|n| findings.differ(|| format!("difference {n}")));
        Checked { position, recorded: at(1), findings }
    }

    #[test]
    fn a_newer_result_replaces_the_one_before() {
        let checks = NewestChecks::new(at(1));
        let empty = checks.summary();
        assert_eq!((empty.since, empty.checks, empty.tenants, empty.oldest, empty.affected), (at(1), 0, 0, None, 0));
        checks.note(tenant(1), at(10), result(5, 2));
        checks.note(tenant(2), at(20), result(6, 0));
        let first = checks.summary();
        assert_eq!((first.checks, first.tenants, first.oldest), (2, 2, Some(at(10))));
        assert_eq!((first.differences, first.affected), (2, 1));
        let texts = vec![String::from("difference 0"), String::from("difference 1")];
        let newest = NewestCheck { checked: at(10), position: 5, differences: 2, texts };
        assert_eq!(first.listed, [(tenant(1), newest)]);
        checks.note(tenant(1), at(30), result(7, 0));
        let second = checks.summary();
        assert_eq!((second.checks, second.tenants, second.oldest), (3, 2, Some(at(20))));
        assert_eq!((second.differences, second.listed), (0, vec![]));
    }

    #[test]
    fn tenants_that_are_not_served_are_dropped_and_the_list_is_bounded() {
        let checks = NewestChecks::new(at(1));
        (0..30).for_each(|n| checks.note(tenant(n), at(2), result(1, 1)));
        let summary = checks.summary();
        assert_eq!((summary.tenants, summary.differences, summary.affected, summary.listed.len()), (30, 30, 30, 20));
        checks.retain(&HashSet::from([tenant(29), tenant(40)]));
        let summary = checks.summary();
        assert_eq!((summary.tenants, summary.checks), (1, 30));
        assert_eq!(summary.listed[0].0, tenant(29));
    }
}

//! Deletes rows past their retention, and those of deleted tenants, on a schedule of its own, in statements of a few
//! rows.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use metrics::{counter, gauge};
use tokio::task::JoinHandle;

use super::writing::Pace;
use super::{Checkpoints, Limits};
use crate::clock::Clock;
use crate::domain::{TenantId, Time};
use crate::journal::Duty;
use crate::limits::Budget;
use crate::live::State;
use crate::store::{Chore, Expiry, Store, StoreError};

/// The time from the start of one pass to the start of the next. A pass that takes longer is finished first.
const HOUSEKEEPING_INTERVAL: Duration = Duration::from_secs(60);
/// The most rows of one statement.
const MOST_ROWS: u32 = 2_000;
/// Rows of a statement on a slow store, and of each chore's first statement.
const FEWEST_ROWS: u32 = 64;

/// The start of the newest pass, by monotonic time, and its task.
#[derive(Debug)]
pub(super) struct Housekeeping {
    begun: Duration,
    pass: Option<JoinHandle<()>>,
    /// True if tenants were deleted since the newest pass began. At the start too: a deletion may have been cut off.
    has_deletions: bool,
}

impl Housekeeping {
    pub fn new(started: Duration) -> Self {
        Housekeeping { begun: started, pass: None, has_deletions: true }
    }

    /// Lets a pass that deletes the rows of deleted tenants begin as soon as the running one has ended.
    pub fn hasten(&mut self) {
        self.has_deletions = true;
    }

    /// Aborts the running pass, if there is one.
    pub fn abort(&self) {
        if let Some(pass) = &self.pass {
            pass.abort();
        }
    }
}

impl Checkpoints {
    /// Starts a pass if that is this server's duty, no pass is running, and the interval has passed or tenants were deleted.
    pub(super) fn keep_house(&mut self, now: Duration, states: &HashMap<TenantId, State>) {
        let is_busy = self.housekeeping.pass.as_ref().is_some_and(|pass| !pass.is_finished());
        // With the budget off, housekeeping waits for the checkpoints, as a control for measurements: under load it may
        // then never run.
        let is_kept_out = !self.limits.budgets.has(Budget::Checkpoints) && !self.writing.is_empty();
        let is_due = now >= self.housekeeping.begun + HOUSEKEEPING_INTERVAL;
        if !self.duties.has(Duty::Housekeeping) {
            return;
        }
        if is_busy || is_kept_out || !(is_due || self.housekeeping.has_deletions) {
            return;
        }
        self.housekeeping.has_deletions = false;
        let expiry = is_due.then(|| {
            self.housekeeping.begun = now;
            // Without a recorded entry nothing is old: the earliest time, less some days, is before every row.
            let recorded = states.values().map(State::recorded).max().unwrap_or(Time::NEVER);
            expiry(self.clock.now(), recorded, &self.limits)
        });
        let (store, clock) = (self.store.clone(), self.clock.clone());
        let pass = self.lifecycle.spawn_tracked(async move {
            if let Err(error) = forget(&store, clock, expiry).await {
                tracing::warn!(%error, "old rows could not be deleted; it will be tried again");
            }
        });
        self.housekeeping.pass = Some(pass);
    }
}

/// Returns the times before which rows may be deleted. Ids and journal entries age by the newest recorded entry rather
/// than by the clock alone, so that a clock that jumps ahead deletes none of them before an entry was recorded.
fn expiry(now: Time, recorded: Time, limits: &Limits) -> Expiry {
    const DAY: i64 = 24 * 60 * 60;
    let aged = recorded.min(now);
    Expiry {
        seen: aged.plus_seconds(-DAY * limits.dedupe_days),
        journal: aged.plus_seconds(-DAY * limits.journal_days),
        tokens: now,
        conversations: now,
    }
}

/// Runs the chores in turn, one statement each, until none has rows left; without an expiry those of deleted tenants
/// only. A chore that fails is left for the next pass and does not stop the others. Returns the first failure.
async fn forget(store: &Store, clock: Clock, expiry: Option<Expiry>) -> Result<(), StoreError> {
    // The flag is never set: when the service ends, a pass is aborted instead of hurried.
    let mut pace = Pace::new(clock, store.shares_its_writer(), Arc::new(AtomicBool::new(false)));
    let mut failure = None;
    let listed = match expiry {
        Some(expiry) => pace.take(store.chores(expiry)).await?,
        None => pace.take(store.deletions()).await?,
    };
    let deletions = listed.iter().filter(|chore| matches!(chore, Chore::Deleted(_))).count();
    gauge!("rollcall_deleted_tenants").set(deletions as f64);
    let mut chores: VecDeque<(Chore, u32)> = listed.into_iter().map(|chore| (chore, FEWEST_ROWS)).collect();
    while let Some((chore, limit)) = chores.pop_front() {
        match pace.take(store.forget(chore, limit)).await {
            Ok(deleted) => {
                counter!("rollcall_housekeeping_rows_total").increment(deleted);
                if chore.is_left(deleted, limit) {
                    // To the end, so that a chore with many rows does not keep the others waiting.
                    chores.push_back((chore, pace.rows(limit, FEWEST_ROWS..=MOST_ROWS)));
                } else if let Chore::Deleted(tenant) = chore {
                    gauge!("rollcall_deleted_tenants").decrement(1);
                    tracing::info!(%tenant, "the rows of a deleted tenant are gone");
                }
            }
            Err(error) => failure = failure.or(Some(error)),
        }
        pace.pause().await;
    }
    failure.map_or(Ok(()), Err)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_and_entries_age_by_the_newest_recorded_entry() {
        let at = |days: i64| Time::from_micros(1_614_589_200_000_000).plus_seconds(days * 86_400);
        let limits = Limits { dedupe_days: 7, journal_days: 30, ..Limits::default() };
        let usual = expiry(at(40), at(40), &limits);
        assert_eq!((usual.seen, usual.journal, usual.tokens), (at(33), at(10), at(40)));
        let jumped = expiry(at(400), at(40), &limits);
        assert_eq!((jumped.seen, jumped.journal), (at(33), at(10)), "no entry was recorded since");
        let went_back = expiry(at(20), at(40), &limits);
        assert_eq!(went_back.seen, at(13));
    }
}

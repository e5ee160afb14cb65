//! The last checkpoints: those of a server that ends, and those that `rollcall settle` writes.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::Checkpoints;
use super::writing::Job;
use crate::clock::Clock;
use crate::domain::TenantId;
use crate::lifecycle::Lifecycle;
use crate::live::State;
use crate::store::{Store, StoreError};

/// The time for which the last checkpoints go on after one could not be written. The journal has everything: the next start
/// of this release applies what no checkpoint has.
const FAILING_TIMEOUT: Duration = Duration::from_secs(5);

impl Checkpoints {
    /// Ends. The last server writes a checkpoint of every tenant that needs one: without a limit of time, since a newer
    /// release serves only the tenants that have one at their head (docs/decisions/0128-releases.md), but for a store that
    /// fails. Where other servers are left, one of them has the duty from now on, and the changed rows as well.
    pub async fn finish(mut self, states: &mut HashMap<TenantId, State>, is_last: bool) {
        // Old rows can be deleted after the next start as well.
        self.housekeeping.abort();
        // Relaxed: the flag only ends pauses, and no other data depends on it.
        self.hurry.store(true, Ordering::Relaxed);
        if is_last {
            let under_way: Vec<_> = self.writing.keys().copied().collect();
            for tenant in under_way {
                self.settle(tenant, states).await;
            }
            self.take_over(states);
            self.write_rest(states).await;
        }
        // A checkpoint that is cut off here leaves the previous one current.
        for writing in self.writing.values() {
            writing.task.abort();
        }
    }

    async fn write_rest(&self, states: &mut HashMap<TenantId, State>) {
        let mut failing_since = None;
        for (tenant, state) in states.iter_mut() {
            if state.is_applying() || state.entries_since_checkpoint() == 0 {
                continue;
            }
            let now = self.clock.monotonic();
            if failing_since.is_some_and(|since| now >= since + FAILING_TIMEOUT) {
                tracing::warn!("the last checkpoints were not written; the next start takes longer");
                return;
            }
            if let Err(error) = self.job(*tenant, state.begin_checkpoint()).write().await {
                tracing::warn!(%error, %tenant, "the last checkpoint was not written; the next start takes longer");
                failing_since.get_or_insert(now);
            }
        }
    }
}

/// Writes a checkpoint of a state that was loaded by the rules of `apply_version`, for a store whose servers are gone. Does
/// nothing if one of the same or a newer position is stored.
pub async fn settle(
    store: &Store,
    clock: &Clock,
    tenant: TenantId,
    state: &mut State,
    apply_version: u32,
) -> Result<(), StoreError> {
    let job = Job {
        store: store.clone(),
        clock: clock.clone(),
        lifecycle: Lifecycle::default(),
        tenant,
        source: state.begin_checkpoint(),
        apply_version,
        // No events wait for it.
        hurry: Arc::new(true.into()),
    };
    job.write().await.map(drop)
}

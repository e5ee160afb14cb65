//! Brings the stored state after the live one, beside the path that acknowledges.

use std::collections::HashMap;
use std::time::Duration;

use tokio::task::{JoinError, JoinHandle};

use super::Limits;
use crate::clock::Clock;
use crate::domain::TenantId;
use crate::lifecycle::Lifecycle;
use crate::live::state::APPLY_VERSION;
use crate::live::{Checkpoint, State};
use crate::store::{Expiry, Store, StoreError};

/// How often old rows are looked for.
const HOUSEKEEPING: Duration = Duration::from_secs(60);
/// How long the last checkpoints may take when the service ends: a store that does not answer is not waited for, since
/// the journal has everything and the next start applies it.
const FAREWELL: Duration = Duration::from_secs(5);

/// What was written, and how it ended.
type Written = (TenantId, Checkpoint, Result<(), StoreError>);

/// Writes one checkpoint at a time, of the tenant that needs it most.
#[derive(Debug)]
pub(super) struct Checkpoints {
    store: Store,
    clock: Clock,
    lifecycle: Lifecycle,
    limits: Limits,
    /// When each tenant's newest checkpoint was made.
    last: HashMap<TenantId, Duration>,
    started: Duration,
    writing: Option<JoinHandle<Written>>,
    forgetting: Option<JoinHandle<()>>,
    housekeeping: Duration,
}

impl Checkpoints {
    pub fn new(store: Store, clock: Clock, lifecycle: Lifecycle, limits: Limits) -> Self {
        let started = clock.monotonic();
        let (last, writing, forgetting) = (HashMap::new(), None, None);
        Checkpoints { last, started, store, clock, lifecycle, limits, writing, forgetting, housekeeping: started }
    }

    /// Looks after the checkpoint being written, or starts one that is due. Never waits for the store.
    pub async fn step(&mut self, states: &mut HashMap<TenantId, State>) {
        if let Some(writing) = self.writing.take_if(|writing| writing.is_finished()) {
            Self::settle(writing.await, states);
        }
        if self.writing.is_some() {
            return;
        }
        let now = self.clock.monotonic();
        if let Some(tenant) = self.most_due(states, now)
            && let Some(state) = states.get_mut(&tenant)
        {
            self.writing = Some(self.start(tenant, state.checkpoint()));
        } else if now >= self.housekeeping + HOUSEKEEPING {
            self.housekeeping = now;
            self.forget();
        }
    }

    /// Writes whatever is not written yet, and waits for it as long as is sensible.
    pub async fn finish(mut self, states: &mut HashMap<TenantId, State>) {
        if let Some(forgetting) = &self.forgetting {
            forgetting.abort();
        }
        if tokio::time::timeout(FAREWELL, self.write_rest(states)).await.is_err() {
            tracing::warn!("the store does not take the last checkpoints; the next start takes longer");
        }
        if let Some(writing) = &self.writing {
            writing.abort();
        }
    }

    async fn write_rest(&mut self, states: &mut HashMap<TenantId, State>) {
        if let Some(writing) = &mut self.writing {
            let ended = writing.await;
            self.writing = None;
            Self::settle(ended, states);
        }
        for (tenant, state) in states.iter_mut().filter(|(_, state)| state.grown() > 0) {
            let checkpoint = state.checkpoint();
            if let Err(error) = self.store.write_checkpoint(*tenant, APPLY_VERSION, &checkpoint).await {
                tracing::warn!(%error, %tenant, "the last checkpoint was not written; the next start takes longer");
            }
        }
    }

    /// The tenant whose journal has grown most since its checkpoint, once that is long or long ago.
    fn most_due(&self, states: &HashMap<TenantId, State>, now: Duration) -> Option<TenantId> {
        let interval = Duration::from_secs(self.limits.checkpoint_seconds);
        let due = states.iter().filter(|(_, state)| !state.is_applying()).filter_map(|(tenant, state)| {
            let last = self.last.get(tenant).copied().unwrap_or(self.started);
            let grown = state.grown();
            let is_due = grown >= self.limits.checkpoint_entries || (grown > 0 && now >= last + interval);
            is_due.then_some((grown, *tenant))
        });
        due.max().map(|(_, tenant)| tenant)
    }

    fn start(&mut self, tenant: TenantId, checkpoint: Checkpoint) -> JoinHandle<Written> {
        self.last.insert(tenant, self.clock.monotonic());
        let store = self.store.clone();
        self.lifecycle.track(async move {
            let result = store.write_checkpoint(tenant, APPLY_VERSION, &checkpoint).await;
            (tenant, checkpoint, result)
        })
    }

    fn settle(ended: Result<Written, JoinError>, states: &mut HashMap<TenantId, State>) {
        let Ok((tenant, checkpoint, result)) = ended else { return };
        let Some(state) = states.get_mut(&tenant) else { return };
        match result {
            Ok(()) => state.settle_checkpoint(&checkpoint),
            Err(error) => {
                tracing::warn!(%error, %tenant, "a checkpoint was not written; it will be tried again");
                state.spoil(&checkpoint);
            }
        }
    }

    fn forget(&mut self) {
        const DAY: i64 = 24 * 60 * 60;
        let now = self.clock.now();
        let expiry = Expiry {
            seen: now.plus_seconds(-DAY * self.limits.dedupe_days),
            journal: now.plus_seconds(-DAY * self.limits.journal_days),
            tokens: now,
            conversations: now,
        };
        let store = self.store.clone();
        self.forgetting = Some(self.lifecycle.track(async move {
            loop {
                match store.forget(expiry).await {
                    Ok(0) => return,
                    Ok(_) => tokio::task::yield_now().await,
                    Err(error) => {
                        tracing::warn!(%error, "old rows could not be forgotten; it will be tried again");
                        return;
                    }
                }
            }
        }));
    }
}

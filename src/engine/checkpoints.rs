//! Brings the stored state after the live one, beside the path that acknowledges.

use std::collections::HashMap;
use std::time::Duration;

use tokio::task::JoinHandle;

use super::Limits;
use crate::clock::Clock;
use crate::domain::TenantId;
use crate::lifecycle::Lifecycle;
use crate::live::state::APPLY_VERSION;
use crate::live::{Checkpoint, State};
use crate::store::{Expiry, Store, StoreError};

/// How often old rows are looked for.
const HOUSEKEEPING: Duration = Duration::from_secs(60);

/// What is being written, and how it ended.
type Writing = JoinHandle<(TenantId, Checkpoint, Result<(), StoreError>)>;

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
    writing: Option<Writing>,
    housekeeping: Duration,
}

impl Checkpoints {
    pub fn new(store: Store, clock: Clock, lifecycle: Lifecycle, limits: Limits) -> Self {
        let started = clock.monotonic();
        let last = HashMap::new();
        Checkpoints { last, started, store, clock, lifecycle, limits, writing: None, housekeeping: started }
    }

    /// Looks after the checkpoint being written, or starts one that is due. Never waits for the store.
    pub async fn step(&mut self, states: &mut HashMap<TenantId, State>) {
        if let Some(writing) = self.writing.take_if(|writing| writing.is_finished()) {
            self.settle(writing, states).await;
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

    /// Writes whatever is not written yet, and waits for it.
    pub async fn finish(&mut self, states: &mut HashMap<TenantId, State>) {
        if let Some(writing) = self.writing.take() {
            self.settle(writing, states).await;
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
        let due = states.iter().filter_map(|(tenant, state)| {
            let last = self.last.get(tenant).copied().unwrap_or(self.started);
            let grown = state.grown();
            let is_due = grown >= self.limits.checkpoint_entries || (grown > 0 && now >= last + interval);
            is_due.then_some((grown, *tenant))
        });
        due.max().map(|(_, tenant)| tenant)
    }

    fn start(&mut self, tenant: TenantId, checkpoint: Checkpoint) -> Writing {
        self.last.insert(tenant, self.clock.monotonic());
        let store = self.store.clone();
        self.lifecycle.track(async move {
            let result = store.write_checkpoint(tenant, APPLY_VERSION, &checkpoint).await;
            (tenant, checkpoint, result)
        })
    }

    async fn settle(&mut self, writing: Writing, states: &mut HashMap<TenantId, State>) {
        let Ok((tenant, checkpoint, result)) = writing.await else { return };
        if let Err(error) = result {
            tracing::warn!(%error, %tenant, "a checkpoint was not written; it will be tried again");
            if let Some(state) = states.get_mut(&tenant) {
                state.spoil(&checkpoint);
            }
        }
    }

    fn forget(&self) {
        const DAY: i64 = 24 * 60 * 60;
        let now = self.clock.now();
        let expiry = Expiry {
            seen: now.plus_seconds(-DAY * self.limits.dedupe_days),
            journal: now.plus_seconds(-DAY * self.limits.journal_days),
        };
        let store = self.store.clone();
        drop(self.lifecycle.track(async move {
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

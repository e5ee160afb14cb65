//! Checkpoints that another server writes: what this one would have written is kept until a stored one has it.

use std::collections::HashMap;
use std::time::Duration;

use tokio::task::JoinHandle;

use super::{Archived, Checkpoints, Schedule};
use crate::domain::TenantId;
use crate::journal::Duty;
use crate::live::State;
use crate::live::state::Changed;
use crate::store::StoreError;

/// The interval at which the positions of stored checkpoints are read.
const LOOK_INTERVAL: Duration = Duration::from_secs(2);

/// Rows of a state that a stored checkpoint at its position or a later one has.
#[derive(Debug)]
pub(super) struct Awaited {
    pub changed: Changed,
    pub position: u64,
    /// Conversations that have left the state. They leave memory with it.
    pub left: Archived,
    /// Monotonic time at which the rows were taken from the state.
    pub begun: Duration,
}

/// Positions of stored checkpoints.
type Positions = HashMap<TenantId, u64>;

/// The tenants whose checkpoints are awaited, one a tenant.
#[derive(Debug)]
pub(super) struct Covered {
    awaited: HashMap<TenantId, Awaited>,
    next_look: Duration,
    look: Option<JoinHandle<Result<Positions, StoreError>>>,
}

impl Covered {
    pub fn new(started: Duration) -> Self {
        Covered { awaited: HashMap::new(), next_look: started, look: None }
    }

    /// Adds a tenant's rows.
    pub fn wait_for(&mut self, tenant: TenantId, awaited: Awaited) {
        self.awaited.insert(tenant, awaited);
    }

    /// Returns true if rows of the tenant are kept here. No further ones are taken from its state meanwhile.
    pub fn awaits(&self, tenant: TenantId) -> bool {
        self.awaited.contains_key(&tenant)
    }

    /// Drops a tenant's rows.
    pub fn forget(&mut self, tenant: TenantId) {
        self.awaited.remove(&tenant);
    }
}

impl Checkpoints {
    /// Forgets the rows that stored checkpoints have. If the duty became this server's, the rest is changed again.
    pub(super) async fn look_for_covered(&mut self, now: Duration, states: &mut HashMap<TenantId, State>) {
        if self.covered.awaited.is_empty() {
            return;
        }
        if self.covered.look.as_ref().is_some_and(JoinHandle::is_finished)
            && let Some(look) = self.covered.look.take()
        {
            match look.await {
                Ok(Ok(positions)) => self.note_stored(&positions),
                Ok(Err(error)) => tracing::debug!(%error, "the positions of checkpoints were not read"),
                // The service ends.
                Err(_) => {}
            }
        }
        if self.duties.has(Duty::Checkpoints) {
            self.take_over(states);
        } else if self.covered.look.is_none() && now >= self.covered.next_look {
            self.covered.next_look = now + LOOK_INTERVAL;
            let (store, tenants) = (self.store.clone(), self.covered.awaited.keys().copied().collect::<Vec<_>>());
            let look = async move { store.checkpoint_positions(&tenants).await };
            self.covered.look = Some(self.lifecycle.spawn_tracked(look));
        }
    }

    pub(super) fn note_stored(&mut self, positions: &Positions) {
        for (tenant, stored) in positions {
            if self.covered.awaited.get(tenant).is_none_or(|awaited| awaited.position > *stored) {
                continue;
            }
            let Some(Awaited { changed, left, begun, .. }) = self.covered.awaited.remove(tenant) else { continue };
            self.archived.extend(left.into_iter().map(|conversation| (*tenant, conversation)));
            self.schedules.insert(*tenant, Schedule { last: begun, ..Schedule::default() });
            // Many keys take long to drop, and this thread has events to write.
            drop(self.lifecycle.spawn_blocking((), move || drop(changed)));
        }
    }

    /// Marks the rows that no stored checkpoint is known to have as changed.
    pub(super) fn take_over(&mut self, states: &mut HashMap<TenantId, State>) {
        for (tenant, awaited) in self.covered.awaited.drain() {
            if let Some(state) = states.get_mut(&tenant) {
                state.checkpoint_failed(awaited.changed);
            }
        }
    }
}

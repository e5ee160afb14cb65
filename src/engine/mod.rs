//! The one writer: queue, append, apply, publish, answer. And what hangs on it: leases, checkpoints, readers.

mod checkpoints;
mod finality;
mod health;
mod leases;
mod published;
mod reader;
mod room;
mod submit;
mod writer;

use std::collections::HashMap;
use std::sync::Arc;

pub use health::Health;
pub use reader::{Reader, Snapshot};
pub use submit::{Receipt, Submitter};
pub use writer::{Engine, EngineError};

use crate::clock::Clock;
use crate::domain::TenantId;
use crate::journal::Journal;
use crate::lifecycle::Lifecycle;
use crate::limits::Budgets;
use crate::live::State;
use crate::store::Store;
use checkpoints::Checkpoints;
use published::Published;

/// How the engine runs. Every number has its reason where it is used.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Submissions that may wait; more are turned away, and those of one tenant when half of that wait.
    pub queue: usize,
    /// KiB of events that may wait, likewise.
    pub queue_kib: usize,
    /// Entries of a tenant's journal after which a checkpoint is due.
    pub checkpoint_entries: u64,
    /// Seconds after which a checkpoint is due if anything changed.
    pub checkpoint_seconds: u64,
    /// Days for which repeats of an event are recognised.
    pub dedupe_days: i64,
    /// Days for which journal entries are kept that a checkpoint covers.
    pub journal_days: i64,
    /// The budgets in force.
    pub budgets: Budgets,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            queue: 8_192,
            queue_kib: 256 * 1024,
            checkpoint_entries: 20_000,
            checkpoint_seconds: 30,
            dedupe_days: 7,
            journal_days: 30,
            budgets: Budgets::default(),
        }
    }
}

/// An engine about to run, and the handles to it.
pub struct Parts {
    /// The task's work.
    pub engine: Engine,
    /// Where writes go in.
    pub submitter: Submitter,
    /// Where reads come from.
    pub reader: Reader,
}

/// What an engine needs of its surroundings.
pub struct Surroundings {
    /// The one journal.
    pub journal: Journal,
    /// Where checkpoints go.
    pub store: Store,
    /// The time.
    pub clock: Clock,
    /// Where tasks are started.
    pub lifecycle: Lifecycle,
    /// How it runs.
    pub limits: Limits,
}

/// Puts an engine together from tenants that were loaded and caught up. Their views are published before there is a
/// reader: one that came before the engine's first turn would be shown a tenant to whom nothing has happened.
pub fn assemble(mut states: HashMap<TenantId, State>, surroundings: Surroundings) -> Parts {
    let Surroundings { journal, store, clock, lifecycle, limits } = surroundings;
    let published = Arc::new(Published::default());
    for (tenant, state) in &mut states {
        published.board(*tenant).publish(state.publish());
    }
    let health = Arc::new(Health::new(clock.clone()));
    let (submitter, queue) = submit::channel(&limits, clock.clone(), health.clone());
    let reader = Reader::new(published.clone(), health.clone(), clock.clone());
    let checkpoints = Checkpoints::new(store, clock.clone(), lifecycle, limits);
    let engine = Engine::new(states, journal, queue, published, health, clock, checkpoints);
    Parts { engine, submitter, reader }
}

//! The one writer: queue, append, apply, show, answer; beside it leases, checkpoints and readers.

mod appender;
mod beats;
mod caller;
mod checkpoints;
mod finality;
mod firsts;
mod health;
mod leases;
mod queue;
mod reader;
pub mod replay;
mod submit;
mod tenants;
mod views;
mod writer;

use std::collections::HashMap;
use std::sync::Arc;

pub use caller::{FirstOutcome, Receipt};
pub use health::Health;
pub use leases::{LeaseTable, watch_pauses};
pub use reader::{Reader, Snapshot};
pub use submit::Submitter;
pub use writer::Engine;

use crate::clock::Clock;
use crate::domain::TenantId;
use crate::journal::Journal;
use crate::lifecycle::Lifecycle;
use crate::limits::{Budget, Budgets};
use crate::live::State;
use crate::store::Store;
use appender::Appender;
use checkpoints::Checkpoints;
use queue::{FairQueue, Load};
use submit::SubmitterParts;
use tenants::Tenants;
use views::Views;
use writer::EngineParts;

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
pub struct EngineHandles {
    /// The task's work.
    pub engine: Engine,
    /// Where writes go in.
    pub submitter: Submitter,
    /// Where reads come from.
    pub reader: Reader,
    /// The open sessions' leases.
    pub leases: Arc<LeaseTable>,
}

/// What an engine needs.
pub struct EngineDeps {
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
    /// Tenants that could not be loaded.
    pub quarantined: Vec<TenantId>,
}

/// Builds an engine from tenants that were loaded and caught up. Their views are published before there is a reader: one
/// that came before the engine's first turn would be shown a tenant at position 0.
pub fn build(mut states: HashMap<TenantId, State>, deps: EngineDeps) -> EngineHandles {
    let EngineDeps { journal, store, clock, lifecycle, limits, quarantined } = deps;
    let views = Arc::new(Views::default());
    quarantined.into_iter().for_each(|tenant| views.quarantine(tenant));
    for (tenant, state) in &mut states {
        views.tenant(*tenant).publish(state.publish());
    }
    let takes_turns = limits.budgets.has(Budget::Turns);
    let queue = FairQueue::new(Load { requests: limits.queue, kib: limits.queue_kib }, takes_turns);
    let health = Arc::new(Health::new(clock.clone()));
    let leases = Arc::new(LeaseTable::new(clock.clone()));
    let submitter = Submitter::new(SubmitterParts {
        queue: queue.clone(),
        views: views.clone(),
        leases: leases.clone(),
        store: store.clone(),
        clock: clock.clone(),
        health: health.clone(),
    });
    let reader = Reader::new(views.clone(), health.clone(), clock.clone());
    let engine = Engine::new(EngineParts {
        tenants: Tenants::new(states, views, leases.clone(), clock.clone()),
        appender: Appender::new(journal, clock.clone()),
        queue,
        leases: leases.clone(),
        health,
        checkpoints: Checkpoints::new(store, clock.clone(), lifecycle, limits),
        clock,
        takes_turns,
    });
    EngineHandles { engine, submitter, reader, leases }
}

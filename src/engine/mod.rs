//! The single writer of all tenants. It takes events from a queue, appends them to the journal, applies them to the
//! states, publishes views and answers the requests. Leases, checkpoints and readers live beside it.

mod appender;
mod checkpoints;
mod duties;
mod finality;
mod first_outcomes;
mod following;
mod health;
mod heartbeats;
mod leases;
mod pace;
mod queue;
mod reader;
pub mod replay;
mod request;
mod submit;
mod tenants;
mod views;
mod writer;

use std::collections::HashMap;
use std::sync::Arc;

pub use appender::compare_clocks;
pub use checkpoints::settle;
pub use first_outcomes::FirstOutcomes;
pub use following::Following;
pub use health::Health;
pub use leases::{HeldSession, Keeper, LeaseTable, PAUSE_THRESHOLD, watch_pauses};
pub use reader::{Reader, Snapshot};
pub use request::{FirstOutcome, Receipt};
pub use submit::Submitter;
pub use tenants::Loaded;
pub use writer::{Engine, LONE_APPENDS};

use crate::clock::Clock;
use crate::domain::TenantId;
use crate::journal::Journal;
use crate::lifecycle::Lifecycle;
use crate::limits::{Budget, Budgets};
use crate::live::state::APPLY_VERSION;
use crate::store::{Store, TenantReads};
use appender::Appender;
use checkpoints::Checkpoints;
use duties::Duties;
use following::{Confirmations, FollowerParts, Links};
use leases::KeeperParts;
use queue::FairQueue;
use queue::shares::Load;
use reader::ReaderParts;
use submit::SubmitterParts;
use tenants::{Captures, Removals, Tenants};
use views::Views;
use writer::EngineParts;

/// The engine's settings.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Requests that may wait in all. A tenant's request is rejected when as many of its requests wait as are left
    /// free.
    pub queue: usize,
    /// KiB of events that may wait in all, with the same share for a tenant.
    pub queue_kib: usize,
    /// Entries of a tenant's journal after which a checkpoint is due.
    pub checkpoint_entries: u64,
    /// Seconds after which a checkpoint is due if anything changed.
    pub checkpoint_seconds: u64,
    /// Days for which event ids are kept to recognise repeats.
    pub dedupe_days: i64,
    /// Days for which journal entries are kept once a checkpoint covers them.
    pub journal_days: i64,
    /// The budgets that are enforced.
    pub budgets: Budgets,
    /// The version of the rules by which entries are applied: [`APPLY_VERSION`], except in tests of several releases.
    pub apply_version: u32,
    /// Sessions for tenants that others lock, each of which is appended alone: [`LONE_APPENDS`], except in a control of the
    /// tests.
    pub lone_appends: usize,
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
            apply_version: APPLY_VERSION,
            lone_appends: LONE_APPENDS,
        }
    }
}

/// An engine that is not running yet, and the handles to it.
pub struct EngineHandles {
    /// The engine, to be run on a thread of its own, which it keeps busy for milliseconds at a time.
    pub engine: Engine,
    /// Submits events to the engine.
    pub submitter: Submitter,
    /// Reads the published views.
    pub reader: Reader,
    /// The leases of the open sessions.
    pub leases: Arc<LeaseTable>,
    /// The tasks that follow other servers' entries; `None` if no other server can append.
    pub following: Option<Following>,
    /// Keeps heartbeats in the store, to be run beside the engine; `None` for an embedded store.
    pub keeper: Option<Keeper>,
}

/// The dependencies of an engine.
pub struct EngineDeps {
    /// The journal, which nothing else appends to.
    pub journal: Journal,
    /// The store that checkpoints are written to.
    pub store: Store,
    /// Looks conversations up in the archive.
    pub reads: TenantReads,
    /// The source of time and of ids.
    pub clock: Clock,
    /// Starts the tasks that write checkpoints and delete old rows.
    pub lifecycle: Lifecycle,
    /// The engine's settings.
    pub limits: Limits,
    /// Tenants that could not be loaded; they are out of service from the start.
    pub quarantined: Vec<TenantId>,
    /// Tenants of another release, with the apply version of their entries; they are out of service until they are settled.
    pub unsettled: HashMap<TenantId, u32>,
}

/// Builds an engine from tenants that were loaded and caught up. Publishes their views before a reader exists: a read
/// before the engine's first turn would otherwise find a loaded tenant at position 0.
pub fn build(mut loaded: Loaded, deps: EngineDeps) -> EngineHandles {
    let EngineDeps { journal, store, reads, clock, lifecycle, limits, quarantined, unsettled } = deps;
    let views = Arc::new(Views::default());
    quarantined.into_iter().for_each(|tenant| views.quarantine(tenant));
    for (tenant, version) in unsettled {
        views.unsettle(tenant, version > limits.apply_version);
    }
    loaded.publish(&views);
    let takes_turns = limits.budgets.has(Budget::Turns);
    let queue = FairQueue::new(Load { requests: limits.queue, kib: limits.queue_kib }, takes_turns);
    let followed = journal.follower();
    let confirmations = followed.as_ref().map(|_| Arc::new(Confirmations::new(views.clone(), clock.clone())));
    let links = Links::new(confirmations.clone());
    let health = Arc::new(Health::new(clock.clone(), confirmations));
    let heartbeats = || store.heartbeats(journal.replica());
    let (stored, kept) = (heartbeats(), heartbeats());
    let leases = Arc::new(LeaseTable::new(clock.clone(), kept.is_some()));
    let duties = Arc::new(Duties::new(clock.clone(), followed.is_none()));
    let keeper = kept.map(|table| {
        let parts = KeeperParts { leases: leases.clone(), health: health.clone(), duties: duties.clone() };
        Keeper::new(table, parts, clock.clone())
    });
    let (removals, captures) = (Arc::new(Removals::default()), Arc::new(Captures::default()));
    let submitter = Submitter::new(SubmitterParts {
        queue: queue.clone(),
        views: views.clone(),
        removals: removals.clone(),
        leases: leases.clone(),
        links: links.clone(),
        reads,
        clock: clock.clone(),
        health: health.clone(),
    });
    let reader = Reader::new(ReaderParts {
        views: views.clone(),
        health: health.clone(),
        captures: captures.clone(),
        clock: clock.clone(),
        replica: journal.replica(),
        links: links.clone(),
    });
    let parts = FollowerParts {
        links: links.clone(),
        views: views.clone(),
        removals: removals.clone(),
        store: store.clone(),
        clock: clock.clone(),
        lifecycle: lifecycle.clone(),
    };
    let following = followed.map(|(journal, signals)| Following::new(journal, signals, parts));
    let engine = Engine::new(EngineParts {
        tenants: Tenants::new(loaded, views, leases.clone(), clock.clone()),
        appender: Appender::new(journal, links.clone(), clock.clone()),
        queue,
        removals,
        captures,
        links,
        leases: leases.clone(),
        heartbeats: stored,
        health,
        store: store.clone(),
        checkpoints: Checkpoints::new(store, duties.clone(), clock.clone(), lifecycle.clone(), limits),
        duties,
        lifecycle,
        clock,
        takes_turns,
        lone_appends: limits.lone_appends,
    });
    EngineHandles { engine, submitter, reader, leases, keeper, following }
}

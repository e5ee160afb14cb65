//! Writes checkpoints of the states, off the path that acknowledges writes. The engine only takes an immutable copy of
//! a tenant's state; a task of its own exports and writes it. Where several servers share a store, one writes, and the
//! others wait until what they would have written is stored.

mod covered;
mod ending;
mod housekeeping;
mod writing;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use metrics::gauge;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use super::Limits;
use super::duties::Duties;
use crate::clock::Clock;
use crate::domain::{Conversation, TenantId};
use crate::journal::Duty;
use crate::lifecycle::Lifecycle;
use crate::limits::Budget;
use crate::live::State;
use crate::live::state::{Changed, CheckpointSource};
use crate::store::{Store, StoreError};
use covered::{Awaited, Covered};
use housekeeping::Housekeeping;
use writing::Job;

pub use ending::settle;

/// Changed rows after which a checkpoint is due: about as many as are written in one or two seconds.
const DUE_ROWS: usize = 50_000;
/// The interval between two searches for due checkpoints.
const SCAN_INTERVAL: Duration = Duration::from_millis(100);
/// The most checkpoints begun and not ended. More than are written at a time, so that the next one is ready before the
/// engine's next turn; few, since each holds a copy of a state.
const IN_FLIGHT: usize = 4;
/// A tenant's wait after its checkpoint failed, doubled with each failure in a row.
const FIRST_BACKOFF: Duration = Duration::from_secs(2);
/// The longest such wait.
const LONGEST_BACKOFF: Duration = Duration::from_secs(300);
/// Archived conversations removed from the states in one turn of the engine.
const FORGOTTEN_PER_STEP: usize = 256;
/// The conversations that a written checkpoint moved to the archive.
type Archived = Vec<Arc<Conversation>>;

/// Starts due checkpoints, the longest-waiting tenant first, and housekeeping.
#[derive(Debug)]
pub(super) struct Checkpoints {
    store: Store,
    duties: Arc<Duties>,
    clock: Clock,
    lifecycle: Lifecycle,
    limits: Limits,
    started: Duration,
    schedules: HashMap<TenantId, Schedule>,
    next_scan: Duration,
    due: VecDeque<TenantId>,
    writing: HashMap<TenantId, Writing>,
    covered: Covered,
    /// Permits to write: one if checkpoints share the connection that appends, two on connections of their own.
    turns: Arc<Semaphore>,
    /// Conversations that are archived and still in their tenant's state.
    archived: VecDeque<(TenantId, Arc<Conversation>)>,
    housekeeping: Housekeeping,
    /// Set when the service ends: running checkpoints make no more pauses.
    hurry: Arc<AtomicBool>,
}

/// The times that decide a tenant's next checkpoint, by the monotonic clock.
#[derive(Clone, Copy, Debug, Default)]
struct Schedule {
    /// The start of the newest checkpoint that was written.
    last: Duration,
    /// Failures in a row.
    failures: u32,
    /// The earliest time after a failure.
    not_before: Duration,
}

/// A running checkpoint.
#[derive(Debug)]
struct Writing {
    task: JoinHandle<Result<Archived, StoreError>>,
    /// The rows it writes, to be marked dirty again if it fails.
    changed: Changed,
    /// Monotonic time of its start.
    begun: Duration,
    /// The position of the state, if another server is to write this checkpoint or a newer one.
    awaited: Option<u64>,
}

impl Checkpoints {
    pub fn new(store: Store, duties: Arc<Duties>, clock: Clock, lifecycle: Lifecycle, limits: Limits) -> Self {
        let started = clock.monotonic();
        Checkpoints {
            turns: Arc::new(Semaphore::new(if store.shares_its_writer() { 1 } else { 2 })),
            housekeeping: Housekeeping::new(started),
            next_scan: started,
            schedules: HashMap::new(),
            due: VecDeque::new(),
            writing: HashMap::new(),
            covered: Covered::new(started),
            archived: VecDeque::new(),
            hurry: Arc::default(),
            store,
            duties,
            clock,
            lifecycle,
            limits,
            started,
        }
    }

    /// Settles the checkpoints that ended and starts those that are due. Never waits for the store, and its work does
    /// not grow with a tenant's rows.
    pub async fn step(&mut self, states: &mut HashMap<TenantId, State>) {
        let ended: Vec<_> =
            self.writing.iter().filter(|(_, writing)| writing.task.is_finished()).map(|(tenant, _)| *tenant).collect();
        for tenant in ended {
            self.settle(tenant, states).await;
        }
        let now = self.clock.monotonic();
        self.look_for_covered(now, states).await;
        self.forget_archived(FORGOTTEN_PER_STEP, states);
        self.scan(now, states);
        while self.writing.len() < IN_FLIGHT
            && let Some(tenant) = self.due.pop_front()
        {
            // A half-applied document must not be copied. The tenant is listed again by the next scan.
            if let Some(state) = states.get_mut(&tenant).filter(|state| !state.is_applying()) {
                self.begin(tenant, state, now);
            }
        }
        self.keep_house(now, states);
    }

    /// Lists the tenants with a due checkpoint, the longest-waiting first, at most every [`SCAN_INTERVAL`], and measures
    /// the longest wait.
    fn scan(&mut self, now: Duration, states: &HashMap<TenantId, State>) {
        if now < self.next_scan {
            return;
        }
        self.next_scan = now + SCAN_INTERVAL;
        let interval = Duration::from_secs(self.limits.checkpoint_seconds);
        let (mut due, mut oldest) = (Vec::new(), now);
        for (tenant, state) in states {
            let (schedule, entries) = (self.schedule(*tenant), state.entries_since_checkpoint());
            if entries > 0 {
                oldest = oldest.min(schedule.last);
            }
            let is_due = entries >= self.limits.checkpoint_entries
                || state.rows_since_checkpoint() >= DUE_ROWS
                || (entries > 0 && now >= schedule.last + interval);
            let is_begun = self.writing.contains_key(tenant) || self.covered.awaits(*tenant);
            if is_due && now >= schedule.not_before && !is_begun {
                due.push((schedule.last, *tenant));
            }
        }
        gauge!("rollcall_checkpoint_age_seconds").set((now - oldest).as_secs_f64());
        // By the time of the last checkpoint: the longest-waiting tenant first.
        due.sort_unstable();
        self.due = due.into_iter().map(|(_, tenant)| tenant).collect();
    }

    /// Forgets a deleted tenant and gives up its running checkpoint. Its rows are deleted by the next pass of
    /// housekeeping, which begins at once.
    pub fn remove(&mut self, tenant: TenantId) {
        self.schedules.remove(&tenant);
        self.forget(tenant);
        self.housekeeping.hasten();
    }

    /// Gives up what was begun of a state that is replaced: the new one has its own changed rows.
    pub fn forget(&mut self, tenant: TenantId) {
        self.due.retain(|other| *other != tenant);
        self.archived.retain(|(other, _)| *other != tenant);
        self.covered.forget(tenant);
        if let Some(writing) = self.writing.remove(&tenant) {
            writing.task.abort();
        }
    }

    fn schedule(&self, tenant: TenantId) -> Schedule {
        // Counted from the start, so that not all tenants are due in one scan just because they were loaded.
        let never = Schedule { last: self.started, ..Schedule::default() };
        self.schedules.get(&tenant).copied().unwrap_or(never)
    }

    fn job(&self, tenant: TenantId, source: CheckpointSource) -> Job {
        Job {
            store: self.store.clone(),
            clock: self.clock.clone(),
            lifecycle: self.lifecycle.clone(),
            tenant,
            source,
            apply_version: self.limits.apply_version,
            hurry: self.hurry.clone(),
        }
    }

    fn begin(&mut self, tenant: TenantId, state: &mut State, now: Duration) {
        let source = state.begin_checkpoint();
        let changed = source.changed();
        if !self.duties.has(Duty::Checkpoints) {
            let awaited = Some(source.position());
            // In its own task, since its time grows with the rows. The copy of the state is dropped with it.
            let task = self.lifecycle.spawn_blocking((), move || Ok(source.left()));
            self.writing.insert(tenant, Writing { task, changed, begun: now, awaited });
            return;
        }
        let job = self.job(tenant, source);
        let turns = self.turns.clone();
        let task = if self.limits.budgets.has(Budget::Checkpoints) {
            self.lifecycle.spawn_tracked(async move {
                // Fails only for a closed semaphore, and this one is never closed.
                let _turn = turns.acquire().await;
                job.write().await
            })
        } else {
            // With the budget off, everything is exported on the engine's thread and written at once, as a control for
            // measurements.
            let whole = job.export_whole();
            self.lifecycle.spawn_tracked(async move {
                let _turn = turns.acquire().await;
                whole.write().await
            })
        };
        self.writing.insert(tenant, Writing { task, changed, begun: now, awaited: None });
    }

    /// Waits for a tenant's running checkpoint and records how it ended. After an error, a panic or an abort its rows
    /// are marked dirty again, and the tenant waits before the next attempt.
    async fn settle(&mut self, tenant: TenantId, states: &mut HashMap<TenantId, State>) {
        let Some(writing) = self.writing.get_mut(&tenant) else { return };
        // Awaited in its place: if the wait is cut short, `finish` still finds the task and aborts it.
        let ended = (&mut writing.task).await;
        let Some(Writing { changed, begun, awaited, .. }) = self.writing.remove(&tenant) else { return };
        // A tenant that was put in quarantine meanwhile has no state.
        let Some(state) = states.get_mut(&tenant) else { return };
        let mut schedule = self.schedule(tenant);
        let error = match (ended, awaited) {
            (Ok(Ok(left)), Some(position)) => {
                self.covered.wait_for(tenant, Awaited { changed, position, left, begun });
                return;
            }
            (Ok(Ok(archived)), None) => {
                self.archived.extend(archived.into_iter().map(|conversation| (tenant, conversation)));
                // From its start: rows that changed while it was written are not in it.
                schedule = Schedule { last: begun, ..Schedule::default() };
                None
            }
            (Ok(Err(error)), _) => Some(error.to_string()),
            (Err(error), _) => Some(error.to_string()),
        };
        if let Some(error) = error {
            // The exponent is bounded, so that the product cannot overflow a duration, which would panic.
            let backoff = LONGEST_BACKOFF.min(FIRST_BACKOFF * 2_u32.saturating_pow(schedule.failures.min(16)));
            schedule.failures += 1;
            schedule.not_before = self.clock.monotonic() + backoff;
            metrics::counter!("rollcall_checkpoint_failures_total").increment(1);
            tracing::warn!(%error, %tenant, ?backoff, "a checkpoint was not written; it will be tried again");
            state.checkpoint_failed(changed);
        }
        self.schedules.insert(tenant, schedule);
    }

    /// Removes up to `limit` archived conversations from their tenants' states.
    fn forget_archived(&mut self, limit: usize, states: &mut HashMap<TenantId, State>) {
        for (tenant, conversation) in self.archived.drain(..limit.min(self.archived.len())) {
            if let Some(state) = states.get_mut(&tenant) {
                state.checkpoint_written([&conversation]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::directory::Document;
    use crate::domain::{Entry, Event, EventBody, RoleGrant, Time};
    use crate::engine::duties::Others;
    use crate::journal::Round;
    use crate::store::{Location, TenantRecord};

    fn at(seconds: i64) -> Time {
        Time::from_micros(1_614_589_200_000_000).plus_seconds(seconds)
    }

    /// Applies an entry that adds a user.
    fn grow(state: &mut State, clock: &Clock) {
        let seq = state.position() + 1;
        let document: Document =
            serde_json::from_value(serde_json::json!({ "users": [{ "id": seq, "name": "a" }] })).unwrap();
        let event = Event::internal(
            "rollcall:tests",
            clock.new_id(),
            at(0),
            EventBody::DirectoryUpserted { document: document.into(), roles: RoleGrant::default() },
        );
        state.apply(&Entry { seq, recorded: at(0), event }).unwrap();
    }

    async fn new(clock: &Clock) -> (tempfile::TempDir, Store, Checkpoints, TenantId) {
        let folder = tempfile::tempdir().unwrap();
        let (store, _) = Store::open(&Location::Folder(folder.path().join("data"))).await.unwrap();
        let tenant = TenantId(clock.new_id());
        let record =
            TenantRecord { id: tenant, name: "a".into(), created: at(0), settings: crate::domain::Settings::default() };
        assert!(store.create_tenant(&record).await.unwrap());
        let duties = Arc::new(Duties::new(clock.clone(), true));
        let checkpoints =
            Checkpoints::new(store.clone(), duties, clock.clone(), Lifecycle::default(), Limits::default());
        (folder, store, checkpoints, tenant)
    }

    async fn stored(store: &Store, tenant: TenantId) -> Option<u64> {
        store.load_checkpoint(tenant).await.unwrap().map(|loaded| loaded.position)
    }

    /// Steps until no checkpoint is running.
    async fn settled(checkpoints: &mut Checkpoints, states: &mut HashMap<TenantId, State>) {
        loop {
            checkpoints.step(states).await;
            if checkpoints.writing.is_empty() {
                return;
            }
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn rows_of_a_panicked_checkpoint_are_written_by_the_next() {
        let clock = Clock::manual(at(0));
        let (_folder, store, mut checkpoints, tenant) = new(&clock).await;
        let mut states = HashMap::from([(tenant, State::new(tenant))]);
        grow(states.get_mut(&tenant).unwrap(), &clock);
        let state = states.get_mut(&tenant).unwrap();
        let changed = state.begin_checkpoint().changed();
        assert_eq!(state.rows_since_checkpoint(), 0);
        let task = checkpoints.lifecycle.spawn_tracked(async { panic!("on purpose") });
        checkpoints.writing.insert(tenant, Writing { task, changed, begun: clock.monotonic(), awaited: None });
        grow(states.get_mut(&tenant).unwrap(), &clock);
        settled(&mut checkpoints, &mut states).await;
        let state = &states[&tenant];
        assert_eq!((state.rows_since_checkpoint(), state.entries_since_checkpoint()), (2, 2), "both users");
        assert_eq!(stored(&store, tenant).await, None);
        clock.advance(Duration::from_secs(31));
        settled(&mut checkpoints, &mut states).await;
        let loaded = store.load_checkpoint(tenant).await.unwrap().unwrap();
        let loaded = State::load(tenant, loaded.position, loaded.rows).unwrap();
        assert_eq!(loaded.digest(), states[&tenant].digest());
    }

    /// Steps until a tenant's rows are awaited from another server.
    async fn awaited(checkpoints: &mut Checkpoints, tenant: TenantId, states: &mut HashMap<TenantId, State>) {
        settled(checkpoints, states).await;
        assert!(checkpoints.covered.awaits(tenant));
        assert_eq!(states[&tenant].rows_since_checkpoint(), 0);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn rows_of_another_servers_duty_are_kept_until_they_are_stored() {
        let clock = Clock::manual(at(0));
        let (_folder, store, mut checkpoints, tenant) = new(&clock).await;
        let duties = Arc::new(Duties::new(clock.clone(), false));
        let mut others = Others::new(duties.clone());
        checkpoints.duties = duties;
        let mut states = HashMap::from([(tenant, State::new(tenant))]);
        grow(states.get_mut(&tenant).unwrap(), &clock);
        clock.advance(Duration::from_secs(31));
        awaited(&mut checkpoints, tenant, &mut states).await;
        for _ in 0..3 {
            grow(states.get_mut(&tenant).unwrap(), &clock);
        }
        assert_eq!((stored(&store, tenant).await, states[&tenant].rows_since_checkpoint()), (None, 3));
        checkpoints.note_stored(&HashMap::from([(tenant, 0)]));
        assert!(checkpoints.covered.awaits(tenant), "an older one does not have it");
        checkpoints.note_stored(&HashMap::from([(tenant, 1)]));
        assert!(!checkpoints.covered.awaits(tenant));
        // The duty becomes its own while other rows are awaited: they are written, with what changed since.
        let record = store.load_checkpoint(tenant).await.unwrap();
        assert!(record.is_none());
        clock.advance(Duration::from_secs(31));
        awaited(&mut checkpoints, tenant, &mut states).await;
        grow(states.get_mut(&tenant).unwrap(), &clock);
        let held = vec![Duty::Checkpoints];
        others.note(&Round { held, ..Round::default() }, clock.monotonic());
        checkpoints.step(&mut states).await;
        assert!(!checkpoints.covered.awaits(tenant));
        assert_eq!(states[&tenant].rows_since_checkpoint(), 4, "three that were awaited, and one");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_failing_tenant_backs_off_without_delaying_the_others() {
        let clock = Clock::manual(at(0));
        let (_folder, store, mut checkpoints, tenant) = new(&clock).await;
        // This tenant is not in the store, so its rows are rejected.
        let failing = TenantId(clock.new_id());
        let mut states = HashMap::from([(tenant, State::new(tenant)), (failing, State::new(failing))]);
        let mut waits = Vec::new();
        for _ in 0..200 {
            for state in states.values_mut() {
                grow(state, &clock);
            }
            clock.advance(Duration::from_secs(31));
            let failures = checkpoints.schedule(failing).failures;
            settled(&mut checkpoints, &mut states).await;
            assert_eq!(stored(&store, tenant).await, Some(states[&tenant].position()), "others are written each time");
            let schedule = checkpoints.schedule(failing);
            if schedule.failures > failures {
                waits.push((schedule.not_before - clock.monotonic()).as_secs());
            }
        }
        assert_eq!(waits[..9], [2, 4, 8, 16, 32, 64, 128, 256, 300]);
        assert_eq!(states[&failing].entries_since_checkpoint(), 200, "none of its entries is lost");
        assert_eq!(stored(&store, failing).await, None);
    }
}

//! Benchmarks writing: one event, a published batch, changes of the directory, the load of a checkpoint, and the check of a
//! state.

mod population;
mod traffic;

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::time::Duration;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use mimalloc::MiMalloc;
use rollcall::domain::directory::{Document, UserPatch};
use rollcall::domain::{EntityRef, Entry, EventBody, RoleGrant, TenantId};
use rollcall::live::State;
use rollcall::query::state::self_check::check;
use uuid::Uuid;

use population::person::GROUPS;
use population::{Journal, SyntheticUser, sizes, tenant};
use traffic::Traffic;

/// The allocator of the service.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// Events applied between two checkpoints.
const SLICE: u64 = 4_096;

/// Users of the long document.
const DOCUMENT: u32 = 10_000;

/// A tenant during a working day. In cells, since a benchmark prepares in one closure and measures in another.
struct Day {
    journal: RefCell<Journal>,
    traffic: RefCell<Traffic>,
}

impl Day {
    /// Makes a tenant in a steady state, in which as many conversations end as begin.
    fn of(users: u32) -> Self {
        let day = Day { journal: RefCell::new(tenant(users)), traffic: RefCell::new(Traffic::new(users)) };
        for _ in 0..users / 4 {
            day.apply(&day.entry());
        }
        day.write_down();
        day
    }

    fn entry(&self) -> Entry {
        let body = self.traffic.borrow_mut().next().expect("traffic never ends");
        self.journal.borrow_mut().entry(body)
    }

    fn document(&self, users: Vec<UserPatch>) -> Entry {
        let document = Arc::new(Document { users, ..Document::default() });
        self.journal.borrow_mut().entry(EventBody::DirectoryUpserted { document, roles: RoleGrant::default() })
    }

    fn apply(&self, entry: &Entry) {
        self.journal.borrow_mut().state.apply(entry).expect("no gap");
    }

    /// Publishes a view and takes a checkpoint, as the service does. Otherwise the rows to be written would only grow.
    fn write_down(&self) {
        let state = &mut self.journal.borrow_mut().state;
        state.publish();
        state.checkpoint();
    }
}

fn apply(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("apply one event");
    group.sample_size(20).warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1));
    group.throughput(Throughput::Elements(1));
    for users in sizes() {
        let day = Day::of(*users);
        let prepare = || {
            let entry = day.entry();
            if entry.seq.is_multiple_of(SLICE) {
                day.write_down();
            }
            entry
        };
        group.bench_function(BenchmarkId::from_parameter(users), |b| {
            b.iter_batched_ref(prepare, |entry| day.apply(entry), BatchSize::NumIterations(SLICE));
        });
    }
    group.finish();
}

fn publish(criterion: &mut Criterion) {
    for users in sizes() {
        let day = Day::of(*users);
        let view = RefCell::new(day.journal.borrow_mut().state.publish());
        let mut group = criterion.benchmark_group(format!("publish, {users} users"));
        group.sample_size(20).warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1));
        for batch in [1, 16, 256] {
            let prepare = || {
                if day.journal.borrow().state.entries_since_checkpoint() > SLICE {
                    day.journal.borrow_mut().state.checkpoint();
                }
                for _ in 0..batch {
                    day.apply(&day.entry());
                }
            };
            // Readers hold the previous view until the new one replaces it, so every changed block is copied.
            let publish = |()| *view.borrow_mut() = day.journal.borrow_mut().state.publish();
            group.bench_function(BenchmarkId::new("batch", batch), |b| {
                b.iter_batched(prepare, publish, BatchSize::PerIteration);
            });
        }
        group.finish();
    }
}

fn load(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("load a checkpoint");
    group.sample_size(10).warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(2));
    // A million users take seconds and show nothing new.
    for users in sizes().iter().filter(|users| **users <= 100_000) {
        let state = tenant(*users).state;
        let (position, rows) = (state.position(), state.rows());
        group.throughput(Throughput::Elements(rows.len() as u64));
        group.bench_function(BenchmarkId::from_parameter(users), |b| {
            let load = |rows| State::load(TenantId(Uuid::nil()), position, rows).expect("rows just written");
            b.iter_batched(|| rows.clone(), load, BatchSize::PerIteration);
        });
    }
    group.finish();
}

/// Makes a change of a person's name and group, a different one for each `turn`.
fn moved(person: u32, turn: u32) -> UserPatch {
    UserPatch {
        id: Some(SyntheticUser::new(person).id),
        name: Some(format!("Agent who moved {turn} times")),
        groups: Some(vec![EntityRef::Id(i64::from(1 + turn % GROUPS))]),
        ..UserPatch::default()
    }
}

/// Measures one changed user, as `PUT /operator/{id}` makes it: applied and published while readers hold the previous
/// view.
fn change(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("a changed user");
    group.sample_size(20).warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1));
    for users in sizes() {
        let day = Day::of(*users);
        let view = RefCell::new(day.journal.borrow_mut().state.publish());
        let turn = Cell::new(0);
        let prepare = || {
            if day.journal.borrow().state.entries_since_checkpoint() > SLICE {
                day.journal.borrow_mut().state.checkpoint();
            }
            // Users far apart, none twice in a row.
            turn.set(turn.get() + 1);
            day.document(vec![moved(turn.get() * 7_919 % users, turn.get())])
        };
        let change = |entry: &mut Entry| {
            day.apply(entry);
            *view.borrow_mut() = day.journal.borrow_mut().state.publish();
        };
        group.bench_function(BenchmarkId::from_parameter(users), |b| {
            b.iter_batched_ref(prepare, change, BatchSize::PerIteration);
        });
    }
    group.finish();
}

/// Measures a document of new users, applied to the same state each time and published.
fn document(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("a document of 10,000 users");
    group.sample_size(10).warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(3));
    let largest = sizes()[sizes().len() - 1];
    for users in [0, largest] {
        let mut journal = tenant(users);
        journal.state.publish();
        journal.state.checkpoint();
        let new_users = (users..users + DOCUMENT).map(|n| SyntheticUser::new(n).patch()).collect();
        let document = Arc::new(Document { users: new_users, ..Document::default() });
        let entry = journal.entry(EventBody::DirectoryUpserted { document, roles: RoleGrant::default() });
        let apply = |state: &mut State| {
            state.apply(&entry).expect("no gap");
            state.publish()
        };
        group.bench_function(BenchmarkId::new("users before", users), |b| {
            b.iter_batched_ref(|| journal.state.clone(), apply, BatchSize::PerIteration);
        });
    }
    group.finish();
}

/// Measures the check of a tenant's state.
fn self_check(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("self-check");
    group.sample_size(10).warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(3));
    for users in sizes() {
        let mut state = tenant(*users).state;
        state.publish();
        state.checkpoint();
        let run = |state: State| {
            let checked = check(state, &|| false).expect("it is not given up");
            assert_eq!(checked.findings.texts(), &[] as &[String]);
        };
        group.bench_function(BenchmarkId::from_parameter(users), |b| {
            b.iter_batched(|| state.clone(), run, BatchSize::PerIteration);
        });
    }
    group.finish();
}

criterion_group!(benches, apply, publish, change, document, load, self_check);
criterion_main!(benches);

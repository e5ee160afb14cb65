//! Writing: what one event costs, what it costs to show a batch of them to readers, and how long a start takes.

mod population;
mod traffic;

use std::cell::RefCell;
use std::time::Duration;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use mimalloc::MiMalloc;
use rollcall::domain::{Entry, TenantId};
use rollcall::live::State;
use uuid::Uuid;

use population::{Journal, sizes, tenant};
use traffic::Traffic;

/// As the service has it.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// Events applied between two checkpoints.
const SLICE: u64 = 4_096;

/// A tenant at work. Cells, since a benchmark prepares in one closure and measures in another.
struct Day {
    journal: RefCell<Journal>,
    traffic: RefCell<Traffic>,
}

impl Day {
    /// In the middle of it: as many conversations end as begin.
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

    fn apply(&self, entry: &Entry) {
        self.journal.borrow_mut().state.apply(entry).expect("no gap");
    }

    /// A view and a checkpoint, as the service makes them; otherwise what is to be written would grow without end.
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
                if day.journal.borrow().state.grown() > SLICE {
                    day.journal.borrow_mut().state.checkpoint();
                }
                for _ in 0..batch {
                    day.apply(&day.entry());
                }
            };
            // Readers hold the view before until the new one is in its place, so every block that changes is copied.
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

criterion_group!(benches, apply, publish, load);
criterion_main!(benches);

//! Benchmarks counting: the live view, a walk over structs, and roaring bitmaps, on the same people in one run.

mod population;
mod rivals;

use std::hint::black_box;
use std::time::Duration;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, criterion_group, criterion_main};
use mimalloc::MiMalloc;
use rollcall::domain::filter::Dimension;
use rollcall::domain::{Channel, Filter, PerChannel, Reason};
use rollcall::projection::Reasons;
use rollcall::query::breakdown::{Arguments, Key, Question, breakdown};

use population::{SyntheticUser, sizes, tenant};
use rivals::roaring::{Bitmaps, ByHand};
use rivals::{Rival, Wanted};

/// The allocator of the service.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn aggregate(criterion: &mut Criterion) {
    let wanted = Wanted { groups: vec![3, 7], skills: vec![10, 20], projects: vec![5] };
    for users in sizes() {
        let view = tenant(*users).state.publish();
        let people: Vec<SyntheticUser> = (0..*users).map(SyntheticUser::new).collect();
        let bitmaps = Bitmaps::of(&people);
        for (name, wanted) in [("no filter", None), ("three filters", Some(&wanted))] {
            agree(&view, &people, wanted);
            agree(&view, &bitmaps, wanted);
            agree(&view, &ByHand(&bitmaps), wanted);
            let mut group = criterion.benchmark_group(format!("{name}, {users} users"));
            group.sample_size(20).warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1));
            bench(&mut group, "ours", &view, wanted);
            bench(&mut group, "roaring", &bitmaps, wanted);
            if wanted.is_some() {
                bench(&mut group, "roaring by hand", &ByHand(&bitmaps), wanted);
            }
            bench(&mut group, "naive", &people, wanted);
            group.finish();
        }
    }
}

/// Counts by reason: the selection as a whole, beside a walk over the same people, and broken down by key.
fn reasons(criterion: &mut Criterion) {
    for users in sizes() {
        let view = tenant(*users).state.publish();
        let people: Vec<SyntheticUser> = (0..*users).map(SyntheticUser::new).collect();
        let mut group = criterion.benchmark_group(format!("reasons, {users} users"));
        group.sample_size(20).warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1));
        for (name, channels) in [("chat", &[Channel::Chat][..]), ("best of four", &Channel::ALL)] {
            let asked = Reasons::on(PerChannel::from_fn(|channel| channels.contains(&channel)));
            let all = Filter::default();
            let count = || view.count(black_box(&all), asked);
            let walk = || walk(black_box(&people), channels);
            assert_eq!(
                Reason::ALL.map(|reason| count().people.of(reason)),
                Reason::ALL.map(|reason| walk()[reason as usize])
            );
            group.bench_function(format!("{name}/ours"), |b| b.iter(count));
            group.bench_function(format!("{name}/naive"), |b| b.iter(walk));
        }
        for keys in [
            &[Key::Of(Dimension::Skill)][..],
            &[Key::Of(Dimension::Skill), Key::Channel],
            &[Key::Of(Dimension::Group), Key::Of(Dimension::Skill)],
        ] {
            let question =
                Question::new(Arguments { keys: keys.to_vec(), ..Arguments::default() }).expect("valid arguments");
            let rows = breakdown(&view, &question).expect("few combinations").row_count;
            let names: Vec<&str> = keys.iter().map(|key| key.name()).collect();
            let name = format!("by {}, {rows} rows", names.join(" and "));
            group
                .bench_function(name, |b| b.iter(|| breakdown(&view, black_box(&question)).map(|found| found.overlap)));
        }
        group.finish();
    }
}

/// Counts people by their best reason over some channels, by [`Reason`] as an index.
fn walk(people: &[SyntheticUser], channels: &[Channel]) -> [u64; Reason::ALL.len()] {
    let mut counted = [0; Reason::ALL.len()];
    for reason in people.iter().filter_map(|person| person.facts.best_reason(channels.iter().copied())) {
        counted[reason as usize] += 1;
    }
    counted
}

/// Checks that two rivals give the same answers. A benchmark of wrong answers would mean nothing.
fn agree<A: Rival, B: Rival>(a: &A, b: &B, wanted: Option<&Wanted>) {
    let (question_a, question_b) = (A::question(wanted), B::question(wanted));
    let answer = a.everything(&question_a);
    assert_eq!(answer, b.everything(&question_b));
    assert_eq!((answer.0, answer.0), (a.counts(&question_a), b.counts(&question_b)));
    assert!(answer.0.0.connected > 0, "the selection is empty, which is too easy to count");
}

fn bench<R: Rival>(group: &mut BenchmarkGroup<'_, WallTime>, name: &str, rival: &R, wanted: Option<&Wanted>) {
    let question = R::question(wanted);
    group.bench_function(format!("counts/{name}"), |b| b.iter(|| rival.counts(black_box(&question))));
    group.bench_function(format!("everything/{name}"), |b| b.iter(|| rival.everything(black_box(&question))));
}

criterion_group!(benches, aggregate, reasons);
criterion_main!(benches);

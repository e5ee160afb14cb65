//! Random histories whose events are written through two servers at once: both end in the state of the naive reference.

use std::collections::HashMap;

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use rollcall::clock::Clock;
use rollcall::domain::{Event, EventId, Fault, Filter, Outcome, TenantId};
use rollcall::engine::Submitter;

use super::{POLL, start_on};
use crate::model::compare::{agree, agree_on_outcome};
use crate::model::generate::{Mix, at, small};
use crate::model::reference::Reference;
use crate::support::raw::RawStore;
use crate::support::tasks::{eventually, spawn};
use crate::support::{Backend, Home, Service, tenant_id};

/// Tenants, each with its own history.
const CASES: u64 = 12;

/// The outcomes of events by their ids.
type Outcomes = HashMap<EventId, Outcome>;

/// Commits events in their order, a few at a time, and again until they are acknowledged.
async fn write(submitter: Submitter, tenant: TenantId, events: Vec<Event>, seed: u64) -> Outcomes {
    let mut random = StdRng::seed_from_u64(seed);
    let (mut outcomes, mut rest) = (Outcomes::new(), events);
    while !rest.is_empty() {
        let some: Vec<Event> = rest.drain(..random.random_range(1..=rest.len().min(4))).collect();
        loop {
            match submitter.commit(tenant, some.clone()).await {
                Ok(receipt) => {
                    let ids = some.into_iter().map(|event| event.id);
                    outcomes.extend(ids.zip(receipt.outcomes).filter(|(_, outcome)| *outcome != Outcome::Duplicate));
                    break;
                }
                Err(Fault::Unavailable(_)) => {}
                Err(fault) => panic!("{fault}"),
            }
        }
    }
    outcomes
}

/// Creates a tenant, and writes a history's events through both servers at once. Returns their outcomes.
async fn write_through_both(servers: [&Service; 2], runner: &mut TestRunner, n: u64) -> (TenantId, Outcomes) {
    let history = small(Mix::FROM_SOURCES).new_tree(runner).expect("a history").current();
    let tenant = tenant_id(&servers[0].api.tenant(&format!("case {n}")).await);
    let mut events = history.entries.into_iter().map(|entry| entry.event);
    let directory = events.next().expect("a history begins with a directory");
    servers[(n % 2) as usize].app.submitter.commit(tenant, vec![directory]).await.expect("it commits");
    let mut random = StdRng::seed_from_u64(n);
    let (mut some, mut others) = (Vec::new(), Vec::new());
    for event in events.filter(|event| !event.is_heartbeat()) {
        // Some events through both: one of them is a repeat.
        let way = random.random_range(0..9);
        if way < 5 {
            some.push(event.clone());
        }
        if way >= 4 {
            others.push(event);
        }
    }
    let writing = [(servers[0], some), (servers[1], others)]
        .map(|(server, events)| spawn(write(server.app.submitter.clone(), tenant, events, n)));
    let mut outcomes = Outcomes::new();
    for task in writing {
        for (id, outcome) in task.await.expect("a writer does not panic") {
            assert_eq!(outcomes.insert(id, outcome), None, "an event takes effect once");
        }
    }
    (tenant, outcomes)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn interleaved_writes_end_in_equal_states() {
    let clock = Clock::manual(at(10));
    let home = Home::new(Backend::Postgres).await;
    let location = home.location.clone();
    let one = start_on(home, &clock).await;
    let two = start_on(Home::at(location.clone()), &clock).await;
    let mut runner = TestRunner::deterministic();
    let mut cases = Vec::new();
    for n in 0..CASES {
        cases.push(write_through_both([&one, &two], &mut runner, n).await);
    }
    let mut raw = RawStore::open(&location).await;
    let (heads, journal, replayed) = (raw.heads().await, raw.journal().await, raw.replay().await);
    assert!(journal.len() > 10 * CASES as usize, "{} entries", journal.len());
    for (tenant, outcomes) in cases {
        let mut reference = Reference::new(tenant);
        for line in journal.iter().filter(|line| line.tenant == tenant) {
            let verdict = reference.record(&line.entry());
            if let Some(outcome) = outcomes.get(&line.id) {
                agree_on_outcome(outcome, verdict).unwrap_or_else(|error| panic!("{line:?}: {error}"));
            }
        }
        let digest = replayed[&tenant].digest();
        for server in [&one, &two] {
            let view = || server.app.reader.snapshot(tenant).expect("a view").view;
            eventually("the server is at the head", async || {
                clock.advance(POLL / 25);
                view().position() == heads[&tenant]
            })
            .await;
            agree(&view(), &reference, &[Filter::default()]).unwrap_or_else(|error| panic!("{tenant}: {error}"));
            let state = server.app.reader.state(tenant).await.expect("a state").expect("a state");
            assert_eq!(state.digest(), digest, "{tenant}");
        }
    }
    two.stop().await;
    one.stop().await;
}

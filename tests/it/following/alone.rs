//! A tenant whose head another session keeps locked is appended alone, and delays no other tenant:
//! docs/decisions/0119-appended-alone.md.

use std::time::Duration;

use rollcall::domain::event::Surface;
use rollcall::domain::{Event, EventBody, EventId, Fault, Outcome, UserRef};
use rollcall::engine::Submitter;

use super::{Pair, start_on};
use crate::support::Service;
use crate::support::desks::{connected, directory};
use crate::support::raw::RawStore;
use crate::support::tasks::{eventually, eventually_within, spawn};

/// Longer than a session waits for a locked head, and a request for its outcome.
const LONG: Duration = Duration::from_secs(30);

/// A session that locks a tenant's head, as a server does that stands still in the middle of an append.
struct Locker(RawStore);

impl Locker {
    async fn lock(service: &Service, tenant: &str) -> Self {
        let mut raw = RawStore::open(&service.home.location).await;
        raw.run(&format!("BEGIN; SELECT FROM head WHERE tenant = '{tenant}' FOR UPDATE")).await;
        Locker(raw)
    }

    async fn release(mut self) {
        self.0.release().await;
    }
}

/// Returns the number of sessions that wait for a lock.
async fn waiting(raw: &mut RawStore) -> i64 {
    raw.number("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'")
        .await
}

/// Makes an event with a session of its own.
fn event(pair: &Pair, n: usize) -> Event {
    let (user, session) = (UserRef::id(1), format!("session {n}").into());
    let (lease_seconds, device, surface, socket) = (None, None, Surface::Desk, false);
    let body = EventBody::DeskConnected { user, session, lease_seconds, device, surface, socket };
    let mut event = Event::internal("rollcall:test", pair.clocks[0].new_id(), pair.now(), body);
    event.id = EventId { source: "test".into(), id: event.id.id };
    event
}

/// Commits an event until it is acknowledged. Returns its position, or `None` if it took more than one attempt.
async fn commit(submitter: Submitter, pair_tenant: rollcall::domain::TenantId, event: Event) -> Option<u64> {
    for attempt in 0.. {
        match submitter.commit(pair_tenant, vec![event.clone()]).await {
            Ok(receipt) => {
                assert!(attempt > 0 || receipt.outcomes == [Outcome::Applied], "{:?}", receipt.outcomes);
                return receipt.positions[0].filter(|_| attempt == 0);
            }
            Err(Fault::Unavailable(_)) => {}
            Err(fault) => panic!("{fault}"),
        }
    }
    None
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_locked_tenant_waits_in_order_and_delays_no_other() {
    let mut pair = Pair::new().await;
    let (submitter, tenant) = (pair.one.app.submitter.clone(), pair.tenant());
    let other = pair.one.api.persona("other").await;
    pair.one.api.put_directory(&other.key, &directory(1)).await;
    let mut is_ordered = false;
    // A machine that is busy may take longer than the requests wait, which then come again in another order.
    for round in 0..20 {
        let locker = Locker::lock(&pair.one, &pair.persona.tenant).await;
        let mut writes = Vec::new();
        for n in 0..4 {
            let event = event(&pair, 4 * round + n);
            writes.push(spawn(commit(submitter.clone(), tenant, event)));
            // The first waits for the head, the others for the first.
            let is_first = n == 0;
            eventually("the event waits", async || {
                if is_first { waiting(&mut pair.raw).await == 1 } else { submitter.depth() >= n }
            })
            .await;
        }
        for n in 0..20 {
            let event = connected(format!("{round}-{n}"), 1, pair.now());
            eventually("written while the other tenant is locked", async || {
                let answer = pair.one.api.events(&other.key, std::slice::from_ref(&event)).await.expect("an answer");
                answer.status == 200
            })
            .await;
        }
        locker.release().await;
        let mut positions = Vec::new();
        for write in writes {
            positions.push(write.await.expect("a writer does not panic"));
        }
        if let Some(positions) = positions.into_iter().collect::<Option<Vec<u64>>>() {
            assert!(positions.is_sorted(), "{positions:?}");
            is_ordered = true;
            break;
        }
    }
    assert!(is_ordered, "never all at their first attempt");
    pair.level().await;
    pair.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_head_that_stays_locked_is_unavailable_and_delays_no_stop() {
    let mut pair = Pair::new().await;
    let other = pair.two.api.persona("other").await;
    pair.two.api.put_directory(&other.key, &directory(1)).await;
    let locker = Locker::lock(&pair.one, &pair.persona.tenant).await;
    let event = [connected("e", 1, pair.now())];
    for _ in 0..3 {
        let answer = pair.two.api.events(&pair.persona.key, &event).await.expect("an answer");
        assert!(answer.is_unavailable(), "{} {}", answer.status, answer.text);
        assert!(pair.two.api.is_ready().await, "the store is not away");
    }
    // One that still waits when the service stops.
    let (api, key) = (pair.two.api.clone(), pair.persona.key.clone());
    let late = connected("late", 1, pair.now());
    let late = spawn(async move { api.events(&key, &[late]).await });
    eventually("it waits", async || waiting(&mut pair.raw).await == 1).await;
    let two = pair.two;
    let stopping = spawn(async move { two.stop().await });
    eventually_within(LONG, "the service stops", async || stopping.is_finished()).await;
    let home = stopping.await.expect("it stops");
    assert!(late.await.expect("no panic").map_or(true, |answer| answer.is_unavailable()));
    locker.release().await;
    pair.two = start_on(home, &pair.clocks[1]).await;
    let (one, key) = (&pair.one, &pair.persona.key);
    eventually("placed", async || one.api.events(key, &event).await.is_ok_and(|answer| answer.status == 200)).await;
    pair.level().await;
    pair.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_append_alone_whose_session_ends_is_found_or_sent_again() {
    let mut pair = Pair::new().await;
    let (submitter, tenant) = (pair.one.app.submitter.clone(), pair.tenant());
    for n in 0..3 {
        let locker = Locker::lock(&pair.one, &pair.persona.tenant).await;
        let write = spawn(commit(submitter.clone(), tenant, event(&pair, n)));
        eventually("it waits", async || waiting(&mut pair.raw).await >= 1).await;
        pair.raw
            .run(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                 WHERE datname = current_database() AND wait_event_type = 'Lock'",
            )
            .await;
        assert!(pair.one.api.is_ready().await, "the others' store is not away");
        locker.release().await;
        write.await.expect("a writer does not panic");
        pair.level().await;
    }
    let journalled = pair.raw.number("SELECT count(*) FROM journal WHERE source = 'test'").await;
    assert_eq!(journalled, 3, "each once");
    assert_eq!(pair.raw.number("SELECT count(*) FROM journal WHERE event::text LIKE '%session 2%'").await, 1);
    pair.end().await;
}

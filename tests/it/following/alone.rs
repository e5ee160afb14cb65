//! A tenant whose head another session keeps locked is appended alone, and delays no other tenant:
//! docs/decisions/0119-appended-alone.md.

use std::time::Duration;

use rollcall::clock::Clock;
use rollcall::domain::event::Surface;
use rollcall::domain::{Event, EventBody, EventId, Fault, Outcome, UserRef};
use rollcall::engine::{LONE_APPENDS, Limits, Submitter};

use super::{Pair, start_on};
use crate::support::desks::{connected, directory};
use crate::support::raw::RawStore;
use crate::support::tasks::{eventually, eventually_within, spawn};
use crate::support::{Backend, Home, Service, Setup};

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

    /// Passes the lock on to another session, which waits for it meanwhile: the head is free at no time.
    async fn pass_on(self, service: &Service, tenant: &str, raw: &mut RawStore) -> Self {
        let before = waiting(raw).await;
        let mut next = RawStore::open(&service.home.location).await;
        let lock = format!("BEGIN; SELECT FROM head WHERE tenant = '{tenant}' FOR UPDATE");
        let locking = spawn(async move {
            next.run(&lock).await;
            next
        });
        eventually("the next session waits", async || waiting(raw).await > before).await;
        self.release().await;
        Locker(locking.await.expect("no panic"))
    }
}

/// Times that the lock is passed on.
const TURNS: usize = 6;

/// Writes to a tenant whose head other sessions lock by turns, as servers do that append without a pause. Returns how many
/// of six writes were placed before the next session had the lock. `sessions` is the number of tenants that may be appended
/// alone.
async fn placed_in_turn(sessions: usize) -> usize {
    let limits = Limits { lone_appends: sessions, ..Limits::default() };
    let service = Service::start_on(Home::new(Backend::Postgres).await, Setup { limits, ..Setup::default() }).await;
    let persona = service.api.persona("tenant").await;
    service.api.put_directory(&persona.key, &directory(1)).await;
    let mut raw = RawStore::open(&service.home.location).await;
    let mut placed = 0;
    for turn in 0..TURNS {
        let locker = Locker::lock(&service, &persona.tenant).await;
        let (api, key) = (service.api.clone(), persona.key.clone());
        let writing = spawn(async move {
            let event = [connected(format!("turn-{turn}"), 1, Clock::system().now())];
            while !api.events(&key, &event).await.is_ok_and(|answer| answer.status == 200) {}
        });
        if sessions > 0 {
            eventually("the append waits", async || waiting(&mut raw).await > 0).await;
        } else {
            // Longer than it takes to be left out several times.
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        let next = locker.pass_on(&service, &persona.tenant, &mut raw).await;
        let found = format!("SELECT count(*) FROM journal WHERE event_id = 'turn-{turn}'");
        placed += raw.number(&found).await as usize;
        next.release().await;
        writing.await.expect("no panic");
    }
    service.stop().await;
    placed
}

/// Control: without appends alone a tenant is placed while others lock it by turns only by chance, if an append meets the
/// instant in which the lock is passed on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenant_that_others_lock_by_turns_has_its_turn() {
    let with = placed_in_turn(LONE_APPENDS).await;
    // An append alone that has waited for a second begins again, and may then be behind the next session.
    assert!(with > TURNS / 2, "{with} of {TURNS}");
    let without = placed_in_turn(0).await;
    assert!(without < with, "{without} of {TURNS} without appends alone, {with} with them");
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

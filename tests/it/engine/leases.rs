//! Leases of events over HTTP: docs/promises.md S1, and S2 as far as it concerns restarts.

use std::time::Duration;

use rollcall::domain::event::Rejection;
use rollcall::domain::{Event, EventBody, Outcome, UserRef};
use serde_json::{Value, json};

use super::Stage;
use crate::on_both_stores;
use crate::support::desks::{connected, event, heartbeat, leased};
use crate::support::raw::RawStore;
use crate::support::tasks::eventually;
use crate::support::{Backend, tenant_id};

on_both_stores!(a_lease_ends_exactly_on_time);
on_both_stores!(a_heartbeat_renews_the_lease);
on_both_stores!(heartbeats_of_unknown_sessions_are_rejected_without_a_trace);
on_both_stores!(an_expiry_ends_only_its_own_incarnation);
on_both_stores!(closed_sessions_do_not_expire);
on_both_stores!(many_leases_expire_at_once);
on_both_stores!(heartbeats_do_not_wait_for_writes);
on_both_stores!(heartbeats_are_applied_in_request_order);

const MILLI: Duration = Duration::from_millis(1);

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

impl Stage {
    /// Checks that one user stays connected until a millisecond before `left` has passed, and is disconnected then.
    async fn ends_in(&self, left: Duration) {
        self.clock.advance(left - MILLI);
        self.settle().await;
        assert_eq!(self.connected().await, 1, "no lease ends early");
        self.clock.advance(MILLI);
        eventually("the lease ends", async || self.connected().await == 0).await;
    }

    /// Advances the clock and checks that nothing is journalled and no user is disconnected.
    async fn stays_for(&self, time: Duration) {
        let (before, connected) = (self.position(), self.connected().await);
        self.clock.advance(time);
        self.settle().await;
        assert_eq!((self.position(), self.connected().await), (before, connected));
    }
}

async fn a_lease_ends_exactly_on_time(backend: Backend) {
    let stage = Stage::new(backend, 2).await;
    stage.apply(leased(1, 1, "desk", stage.now(), 10)).await;
    stage.ends_in(seconds(10)).await;
    assert_eq!(stage.position(), 3, "the directory, the connection, and its end");
    let mut raw = RawStore::open(&stage.service.home.location).await;
    let end: Value = serde_json::from_str(&raw.journal().await[2].event).unwrap();
    assert_eq!(end["type"], "desk.lease_expired");
    assert_eq!(end["data"], json!({ "user": "1", "session": "desk", "opened": 2 }));
    stage.stays_for(seconds(3_600)).await;
}

async fn a_heartbeat_renews_the_lease(backend: Backend) {
    let stage = Stage::new(backend, 2).await;
    stage.apply(leased(1, 1, "desk", stage.now(), 10)).await;
    for _ in 0..3 {
        stage.clock.advance(seconds(9));
        // Heartbeats are not deduplicated, so the same id is accepted again.
        let answer = stage.apply(heartbeat(7, 1, "desk", stage.now())).await;
        assert_eq!(answer.json()["position"], 2, "heartbeats are not journalled");
    }
    stage.ends_in(seconds(10)).await;
    assert_eq!(stage.position(), 3);
    assert_eq!(stage.outcome(heartbeat(8, 1, "desk", stage.now())).await, "rejected", "too late: reconnect");
    // A lease begins when the event is accepted, not at the event's time.
    stage.apply(leased(2, 1, "late", stage.now().plus_seconds(-300), 10)).await;
    stage.ends_in(seconds(10)).await;
}

async fn heartbeats_of_unknown_sessions_are_rejected_without_a_trace(backend: Backend) {
    let stage = Stage::new(backend, 2).await;
    stage.apply(leased(1, 1, "desk", stage.now(), 10)).await;
    stage.apply(connected(2, 2, stage.now())).await;
    let session = json!({ "session": "desk-2" });
    stage.apply(event(3, "desk.disconnected", Some(2), stage.now(), session)).await;
    let before = stage.position();
    let now = stage.now();
    let beats = [heartbeat(4, 1, "other", now), heartbeat(5, 2, "desk-2", now), heartbeat(6, 9, "desk", now)];
    let answer = stage.service.api.events(&stage.persona.key, &beats).await.unwrap().ok();
    assert_eq!(answer.outcomes(), ["rejected"; 3]);
    let reasons = answer.json();
    assert!(reasons["results"][0]["reason"].as_str().unwrap().contains("reconnect"), "{reasons}");
    assert_eq!(answer.json()["position"], before);
    assert_eq!(stage.position(), before);
    let mut raw = RawStore::open(&stage.service.home.location).await;
    assert_eq!(raw.journal().await.len() as u64, before);
    assert_eq!(raw.number("SELECT count(*) FROM seen").await as u64, before, "their ids are not consumed");
}

async fn an_expiry_ends_only_its_own_incarnation(backend: Backend) {
    let stage = Stage::new(backend, 2).await;
    stage.apply(leased(1, 1, "desk", stage.now(), 10)).await;
    let first = stage.position();
    stage.clock.advance(seconds(5));
    stage.apply(leased(2, 1, "desk", stage.now(), 30)).await;
    stage.stays_for(seconds(29)).await;
    // A late expiry of the first incarnation.
    let body = EventBody::DeskLeaseExpired { user: UserRef::id(1), session: "desk".into(), opened: first };
    let end = Event::internal("rollcall:lease", stage.clock.new_id(), stage.now(), body);
    let tenant = tenant_id(&stage.persona.tenant);
    let receipt = stage.service.app.submitter.commit(tenant, vec![end]).await.unwrap();
    assert_eq!(receipt.outcomes, [Outcome::Rejected(Rejection::OtherIncarnation)]);
    stage.ends_in(seconds(1)).await;
    // A session without a lease stays open until it is closed.
    stage.apply(leased(3, 1, "desk", stage.now(), 10)).await;
    stage.apply(connected(4, 1, stage.now())).await;
    stage.apply(event(5, "desk.connected", Some(1), stage.now(), json!({ "session": "desk" }))).await;
    stage.stays_for(seconds(3_600)).await;
}

async fn closed_sessions_do_not_expire(backend: Backend) {
    let stage = Stage::new(backend, 2).await;
    stage.apply(leased(1, 1, "desk", stage.now(), 10)).await;
    stage.apply(leased(2, 1, "tab", stage.now(), 20)).await;
    stage.apply(event(3, "desk.disconnected", Some(1), stage.now(), json!({ "session": "desk" }))).await;
    stage.stays_for(seconds(19)).await;
    stage.ends_in(seconds(1)).await;
    assert_eq!(stage.position(), 5, "the directory, three events, and one end");
}

/// On PostgreSQL the rest of the lease is left: `stored_leases.rs`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_on_the_embedded_store_gives_every_lease_a_full_term() {
    let stage = Stage::new(Backend::Embedded, 2).await;
    stage.apply(leased(1, 1, "desk", stage.now(), 10)).await;
    stage.clock.advance(seconds(9));
    let stage = stage.restart().await;
    assert_eq!(stage.connected().await, 1);
    stage.ends_in(seconds(10)).await;
}

async fn many_leases_expire_at_once(backend: Backend) {
    // More leases than the engine ends in one turn.
    const DESKS: i64 = 1_500;
    let stage = Stage::new(backend, DESKS).await;
    let opened: Vec<Value> = (1..=DESKS).map(|n| leased(n, n, "desk", stage.now(), 10)).collect();
    stage.service.api.apply(&stage.persona.key, &opened).await;
    assert_eq!(stage.connected().await, DESKS as u64);
    stage.clock.advance(seconds(9));
    let kept: Vec<Value> = (1..=DESKS).step_by(3).map(|n| heartbeat(n, n, "desk", stage.now())).collect();
    stage.service.api.apply(&stage.persona.key, &kept).await;
    stage.clock.advance(seconds(1));
    eventually("the silent desks are disconnected", async || stage.connected().await == kept.len() as u64).await;
    stage.stays_for(seconds(8)).await;
    stage.clock.advance(seconds(1));
    eventually("the others are disconnected", async || stage.connected().await == 0).await;
}

async fn heartbeats_do_not_wait_for_writes(backend: Backend) {
    let stage = Stage::new(backend, 2).await;
    stage.apply(leased(1, 1, "desk", stage.now(), 10)).await;
    stage.clock.advance(seconds(10) - MILLI);
    let mut raw = RawStore::open(&stage.service.home.location).await;
    raw.block().await;
    let writes = stage.stall().await;
    let beat = stage.send(vec![heartbeat(3, 1, "desk", stage.now())]).await.unwrap().ok();
    assert_eq!(beat.outcomes(), ["applied"], "the engine waits for its store meanwhile");
    stage.clock.advance(seconds(5));
    raw.release().await;
    for write in writes {
        write.await.unwrap().ok();
    }
    stage.settle().await;
    assert_eq!(stage.connected().await, 1);
    stage.ends_in(seconds(5)).await;
}

async fn heartbeats_are_applied_in_request_order(backend: Backend) {
    // A store that answers late leaves the outcome of a request unknown: all are sent to another tenant then.
    eventually("the store answers every request in time", async || {
        let stage = Stage::new(backend, 2).await;
        stage.mixed_requests_are_applied_in_order().await
    })
    .await;
}

impl Stage {
    /// Sends heartbeats between other events and checks their outcomes. False once an outcome is unknown.
    async fn mixed_requests_are_applied_in_order(&self) -> bool {
        let now = self.now();
        let open = |id| leased(id, 1, "desk", now, 10);
        let close = |id| event(id, "desk.disconnected", Some(1), now, json!({ "session": "desk" }));
        let beat = || heartbeat("beat", 1, "desk", now);
        let requests: [(&[Value], &[&str]); 4] = [
            (&[beat(), open(1), beat()], &["rejected", "applied", "applied"]),
            (&[beat(), close(2), beat()], &["applied", "applied", "rejected"]),
            (&[open(3), beat(), close(4), beat()], &["applied", "applied", "applied", "rejected"]),
            (&[beat(), beat()], &["rejected", "rejected"]),
        ];
        for (events, outcomes) in requests {
            let answer = self.service.api.events(&self.persona.key, events).await.unwrap();
            if answer.is_unavailable() {
                return false;
            }
            assert_eq!(answer.ok().outcomes(), outcomes, "{events:?}");
        }
        true
    }
}

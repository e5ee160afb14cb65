//! Outcomes that need a look at the store: duplicates, content that the store rejects, and journals that differ from the
//! state.

use serde_json::{Value, json};

use super::recovers;
use crate::on_both_stores;
use crate::support::api::Persona;
use crate::support::audit::audit;
use crate::support::desks::{connected, directory, heartbeat, toggled};
use crate::support::raw::RawStore;
use crate::support::tasks::{eventually, spawn};
use crate::support::{Backend, Service, tenant_id};

on_both_stores!(only_events_that_the_store_rejects_are_rejected);
on_both_stores!(events_of_a_tenant_without_a_head_are_rejected);
on_both_stores!(repeats_are_answered_with_their_first_outcome);
on_both_stores!(only_a_tenant_with_missing_entries_is_quarantined);
on_both_stores!(a_tenant_with_lost_entries_is_loaded_again);
on_both_stores!(a_tenant_with_another_history_is_loaded_again);
on_both_stores!(entries_of_another_server_are_applied_before_the_next_event);

struct Stage {
    service: Service,
    persona: Persona,
    raw: RawStore,
}

impl Stage {
    async fn new(backend: Backend) -> Self {
        let service = Service::start(backend).await;
        let persona = service.api.persona("tenant").await;
        service.api.put_directory(&persona.key, &directory(10)).await;
        let raw = RawStore::open(&service.home.location).await;
        Stage { service, persona, raw }
    }

    /// Checks that the next event is applied at this position, to the state that the journal produces.
    async fn is_loaded_again(&mut self, position: u64) {
        let answer = self.post(&[connected("two", 2, now())]).await.ok();
        assert_eq!((answer.outcomes(), answer.position()), (vec!["applied".into()], position));
        let tenant = tenant_id(&self.persona.tenant);
        let state = self.service.app.reader.state(tenant).await.expect("it is served").expect("a state");
        assert_eq!(state.digest(), self.raw.replay().await[&tenant].digest());
    }

    async fn post(&self, events: &[Value]) -> crate::support::api::Answer {
        self.service.api.events(&self.persona.key, events).await.expect("the service answers")
    }
}

fn now() -> rollcall::domain::Time {
    rollcall::clock::Clock::system().now()
}

async fn only_events_that_the_store_rejects_are_rejected(backend: Backend) {
    let mut stage = Stage::new(backend).await;
    let other = stage.service.api.persona("other").await;
    stage.service.api.put_directory(&other.key, &directory(10)).await;
    stage.raw.refuse("journal", "NEW.event_id LIKE 'poison%'").await;
    let ids = ["a", "poison-1", "b", "c", "poison-2", "d", "e"];
    let events: Vec<Value> = (1..).zip(ids).map(|(user, id)| connected(id, user, now())).collect();
    let (api, key) = (stage.service.api.clone(), other.key.clone());
    let theirs = spawn(async move {
        for n in 0..20 {
            assert_eq!(api.events(&key, &[connected(n, 2, now())]).await.unwrap().ok().outcomes(), ["applied"]);
        }
    });
    for attempt in 0..3 {
        let answer = stage.post(&events).await.ok();
        let good = if attempt == 0 { "applied" } else { "duplicate" };
        assert_eq!(answer.outcomes(), [good, "rejected", good, good, "rejected", good, good]);
        let reason = answer.json()["results"][1]["reason"].as_str().unwrap().to_owned();
        assert!(reason.contains("cannot keep"), "{reason}");
    }
    theirs.await.expect("the other tenant is not affected");
    // The ids were not consumed.
    stage.raw.accept().await;
    assert_eq!(stage.post(&events[1..2]).await.ok().outcomes(), ["applied"]);
    let home = stage.service.stop().await;
    assert_eq!(audit(&home.location, &[]).await, [""; 0]);
}

async fn events_of_a_tenant_without_a_head_are_rejected(backend: Backend) {
    let mut stage = Stage::new(backend).await;
    let tenant = &stage.persona.tenant;
    stage.raw.run(&format!("CREATE TABLE kept AS SELECT * FROM head WHERE tenant = '{tenant}'")).await;
    stage.raw.run(&format!("DELETE FROM head WHERE tenant = '{tenant}'")).await;
    for _ in 0..2 {
        let answer = stage.post(&[connected("one", 1, now()), connected("two", 2, now())]).await;
        assert!(answer.is_unavailable(), "{} {}", answer.status, answer.text);
        assert!(answer.text.contains("journal is missing"), "{}", answer.text);
    }
    stage.raw.run("INSERT INTO head SELECT * FROM kept").await;
    let answer = stage.post(&[connected("one", 1, now()), connected("two", 2, now())]).await.ok();
    assert_eq!(answer.outcomes(), ["applied"; 2], "the rejected events were not journalled");
}

async fn repeats_are_answered_with_their_first_outcome(backend: Backend) {
    let stage = Stage::new(backend).await;
    let events = [
        connected("new", 1, now()),
        connected("unknown", 99, now()),
        toggled("late", 1, now().plus_seconds(-60), true),
        toggled("newer", 1, now(), true),
        toggled("stale", 1, now().plus_seconds(-120), false),
        heartbeat("beat", 1, "desk-1", now()),
    ];
    let first = stage.post(&events).await.ok();
    assert_eq!(first.outcomes(), ["applied", "rejected", "applied", "applied", "stale", "applied"]);
    let again = stage.post(&events).await.ok();
    assert_eq!(again.outcomes(), ["duplicate", "duplicate", "duplicate", "duplicate", "duplicate", "applied"]);
    let results = again.json()["results"].clone();
    assert_eq!(results[0]["first"], Value::Null, "the first outcome was `applied`, or is unknown");
    assert_eq!(results[1]["first"], json!({ "outcome": "rejected", "reason": "unknown user" }));
    assert_eq!(results[4]["first"], json!({ "outcome": "stale" }));
    assert_eq!(again.json()["position"], first.json()["position"]);
    // Another tenant's events with the same ids are new.
    let other = stage.service.api.persona("other").await;
    stage.service.api.put_directory(&other.key, &directory(10)).await;
    let theirs = stage.service.api.events(&other.key, &events).await.unwrap().ok();
    assert_eq!(theirs.outcomes(), first.outcomes());
}

/// The journal's head is past the state, and the entries between them are missing: the tenant is taken out of service,
/// and the others are not affected.
async fn only_a_tenant_with_missing_entries_is_quarantined(backend: Backend) {
    let mut stage = Stage::new(backend).await;
    let other = stage.service.api.persona("other").await;
    stage.service.api.put_directory(&other.key, &directory(10)).await;
    let tenant = stage.persona.tenant.clone();
    stage.raw.run(&format!("UPDATE head SET seq = seq + 5 WHERE tenant = '{tenant}'")).await;
    let answer = stage.post(&[connected("one", 1, now())]).await;
    assert!(answer.is_unavailable(), "{} {}", answer.status, answer.text);
    eventually("reads are rejected as well", async || {
        stage.service.api.get(&stage.persona.key, "/operator/live").await.unwrap().status == 503
    })
    .await;
    recovers(&stage.service.api, &other, &connected("theirs", 1, now())).await;
    assert_eq!(stage.service.position(&other.tenant), 2);
    assert!(stage.service.app.reader.out_of_service(tenant_id(&tenant)).is_some());
    assert!(stage.service.app.reader.out_of_service(tenant_id(&other.tenant)).is_none());
}

/// The journal ends before the state, as after a failover to a server without the newest commits.
async fn a_tenant_with_lost_entries_is_loaded_again(backend: Backend) {
    let mut stage = Stage::new(backend).await;
    let other = stage.service.api.persona("other").await;
    stage.service.api.put_directory(&other.key, &directory(10)).await;
    assert_eq!(stage.post(&[connected("one", 1, now())]).await.ok().outcomes(), ["applied"]);
    let tenant = stage.persona.tenant.clone();
    stage.raw.run(&format!("DELETE FROM journal WHERE tenant = '{tenant}' AND seq = 2")).await;
    stage.raw.run(&format!("UPDATE head SET seq = 1, tail = NULL WHERE tenant = '{tenant}'")).await;
    stage.is_loaded_again(2).await;
    recovers(&stage.service.api, &other, &connected("theirs", 1, now())).await;
}

/// The journal has other entries than the state, as after a failover to a server without the newest commits that was
/// written to: as many as the state, or more.
async fn a_tenant_with_another_history_is_loaded_again(backend: Backend) {
    for more in [0, 3] {
        let mut stage = Stage::new(backend).await;
        let other = stage.service.api.persona("other").await;
        stage.service.api.put_directory(&other.key, &directory(10)).await;
        assert_eq!(stage.post(&[connected("one", 1, now())]).await.ok().outcomes(), ["applied"]);
        let (tenant, batch) = (stage.persona.tenant.clone(), "018f2f6e-0000-7000-8000-00000000beef");
        stage.raw.run(&format!("UPDATE journal SET batch = '{batch}' WHERE tenant = '{tenant}' AND seq = 2")).await;
        let columns = "tenant, recorded, source, apply_version, batch, event";
        for seq in 3..3 + more {
            let copy = format!("SELECT {seq}, '{seq}', {columns} FROM journal WHERE tenant = '{tenant}' AND seq = 2");
            stage.raw.run(&format!("INSERT INTO journal (seq, event_id, {columns}) {copy}")).await;
        }
        let head = format!("UPDATE head SET seq = 2 + {more}, tail = '{batch}' WHERE tenant = '{tenant}'");
        stage.raw.run(&head).await;
        stage.is_loaded_again(3 + more).await;
        recovers(&stage.service.api, &other, &connected("theirs", 1, now())).await;
    }
}

async fn entries_of_another_server_are_applied_before_the_next_event(backend: Backend) {
    let mut stage = Stage::new(backend).await;
    assert_eq!(stage.post(&[connected("one", 1, now())]).await.ok().outcomes(), ["applied"]);
    let tenant = stage.persona.tenant.clone();
    let columns = "tenant, recorded, source, apply_version, event";
    stage
        .raw
        .run(&format!(
            "INSERT INTO journal (seq, event_id, {columns})
             SELECT 3, 'foreign', {columns} FROM journal WHERE tenant = '{tenant}' AND seq = 2"
        ))
        .await;
    stage.raw.run(&format!("UPDATE head SET seq = 3 WHERE tenant = '{tenant}'")).await;
    let answer = stage.post(&[connected("two", 2, now())]).await.ok();
    assert_eq!((answer.outcomes(), answer.json()["position"].as_u64()), (vec!["applied".to_owned()], Some(4)));
    let home = stage.service.stop().await;
    assert_eq!(audit(&home.location, &[]).await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_locked_head_delays_only_its_tenant() {
    let mut stage = Stage::new(Backend::Postgres).await;
    let other = stage.service.api.persona("other").await;
    stage.service.api.put_directory(&other.key, &directory(10)).await;
    let tenant = stage.persona.tenant.clone();
    stage.raw.run(&format!("BEGIN; SELECT 1 FROM head WHERE tenant = '{tenant}' FOR UPDATE")).await;
    let (api, key) = (stage.service.api.clone(), stage.persona.key.clone());
    let held = spawn(async move { api.events(&key, &[connected("held", 1, now())]).await.unwrap() });
    for n in 0..20 {
        let answer = stage.service.api.events(&other.key, &[connected(n, 1, now())]).await.unwrap().ok();
        assert_eq!(answer.outcomes(), ["applied"], "another tenant does not wait for the head");
    }
    stage.raw.run("ROLLBACK").await;
    let answer = held.await.expect("no panic");
    assert!(answer.status == 503 || answer.outcomes() == ["applied"], "{} {}", answer.status, answer.text);
    let again = stage.post(&[connected("held", 1, now())]).await.ok().outcomes();
    assert!(again == ["applied"] || again == ["duplicate"], "{again:?}");
    let home = stage.service.stop().await;
    assert_eq!(audit(&home.location, &[]).await, [""; 0]);
}

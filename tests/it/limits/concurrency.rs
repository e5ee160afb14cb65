//! The concurrency of a tenant: each request takes a place until it is answered or cancelled.

use std::time::Duration;

use rand::Rng;
use rollcall::limits::TenantLimits;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::{Stage, is_throttled};
use crate::on_both_stores;
use crate::support::Backend;
use crate::support::api::{Answer, Persona};
use crate::support::desks::{connected, directory};
use crate::support::raw::RawStore;
use crate::support::requests::Dialect;
use crate::support::tasks::{eventually, spawn};

on_both_stores!(only_the_tenant_past_its_concurrency_is_rejected);
on_both_stores!(cancelled_requests_free_their_places);

async fn stage(backend: Backend, at_a_time: usize) -> Stage {
    let stage = Stage::new(backend, TenantLimits { rate: 0, events: 0, at_a_time }).await;
    for persona in [&stage.flooding, &stage.quiet] {
        stage.service.api.put_directory(&persona.key, &directory(2)).await;
    }
    stage
}

impl Stage {
    /// Posts an event in the background, repeatedly until it is accepted: the places may be taken, and requests that
    /// wait for a blocked store time out.
    fn post(&self, id: &str, persona: &Persona) -> JoinHandle<Answer> {
        let (api, key) = (self.service.api.clone(), persona.key.clone());
        let event = connected(id, 1, self.clock.now());
        spawn(async move {
            loop {
                let answer = api.events(&key, std::slice::from_ref(&event)).await.expect("an answer");
                if ![429, 503].contains(&answer.status) {
                    return answer;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
    }

    async fn ask(&self, persona: &Persona) -> Answer {
        self.service.api.get(&persona.key, "/v1/directory").await.expect("an answer")
    }
}

async fn only_the_tenant_past_its_concurrency_is_rejected(backend: Backend) {
    let stage = stage(backend, 2).await;
    let mut raw = RawStore::open(&stage.service.home.location).await;
    raw.block().await;
    // Two requests wait for the blocked store.
    let waiting = [stage.post("a", &stage.flooding), stage.post("b", &stage.flooding)];
    eventually("the tenant's concurrency is used up", async || {
        let answer = stage.ask(&stage.flooding).await;
        assert!(answer.status == 200 || is_throttled(Dialect::Native, &answer, "1"), "{}", answer.text);
        answer.status == 429
    })
    .await;
    assert_eq!(stage.ask(&stage.quiet).await.status, 200);
    raw.release().await;
    for waiting in waiting {
        assert_eq!(waiting.await.expect("a task").status, 200);
    }
    for _ in 0..10 {
        assert_eq!(stage.ask(&stage.flooding).await.status, 200);
    }
    stage.service.stop().await;
}

async fn cancelled_requests_free_their_places(backend: Backend) {
    // With a limit of one, a single lost place would block the tenant.
    let stage = stage(backend, 1).await;
    let mut cancelled = 0;
    for n in 0..200 {
        let timeout_after = Duration::from_micros(rand::rng().random_range(0..4_000));
        let events = [connected(n, 1, stage.clock.now())];
        let asked = stage.service.api.events(&stage.flooding.key, &events);
        cancelled += usize::from(timeout(timeout_after, asked).await.is_err());
    }
    assert!(cancelled > 20, "only {cancelled} requests were cancelled");
    eventually("the place is free", async || stage.ask(&stage.flooding).await.status == 200).await;
    stage.service.stop().await;
}

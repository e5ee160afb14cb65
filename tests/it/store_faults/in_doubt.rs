//! The connection is lost between PostgreSQL's commit and its response: the events are stored, but the service has to
//! find that out.

use super::recovers;
use crate::support::audit::audit;
use crate::support::desks::{connected, directory};
use crate::support::postgres::proxy::{Link, Proxy};
use crate::support::raw::RawStore;
use crate::support::tasks::{eventually, spawn};
use crate::support::{Home, Service, Setup, postgres, tenant_id};

/// The number of attempts: on a busy machine the request may time out before the outcome is resolved.
const ROUNDS: usize = 5;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commits_with_lost_responses_are_resolved() {
    let direct = postgres::new_database().await;
    let (proxy, through) = Proxy::start(&direct).await;
    let [direct, through] =
        [direct, through].map(|options| Home::at(rollcall::store::Location::Postgres(Box::new(options))));
    let service = Service::start_on(through, Setup::default()).await;
    let persona = service.api.persona("tenant").await;
    service.api.put_directory(&persona.key, &directory(10)).await;
    let clock = rollcall::clock::Clock::system();
    let mut raw = RawStore::open(&direct.location).await;
    let (mut acknowledged, mut in_time) = (Vec::new(), 0);
    for round in 0..ROUNDS {
        let before = raw.heads().await[&tenant_id(&persona.tenant)];
        proxy.set(Link::RequestsOnly);
        let events =
            [connected(format!("{round}-a"), 1, clock.now()), connected(format!("{round}-b"), 99, clock.now())];
        let (api, key, sent) = (service.api.clone(), persona.key.clone(), events.clone());
        let answer = spawn(async move { api.events(&key, &sent).await.expect("the service answers") });
        eventually("the transaction is committed", async || {
            raw.heads().await[&tenant_id(&persona.tenant)] == before + 2
        })
        .await;
        assert!(!answer.is_finished(), "the service has no response yet");
        proxy.set(Link::Cut);
        proxy.set(Link::Open);
        let answer = answer.await.expect("no panic");
        if answer.status == 200 {
            assert_eq!(answer.outcomes(), ["applied", "rejected"], "the outcomes are the usual ones");
            assert_eq!(answer.json()["position"], before + 2);
            in_time += 1;
        } else {
            assert!(answer.is_unavailable(), "{} {}", answer.status, answer.text);
        }
        recovers(&service.api, &persona, &events[0]).await;
        let again = service.api.events(&persona.key, &events).await.unwrap().ok();
        assert_eq!(again.outcomes(), ["duplicate", "duplicate"]);
        acknowledged.extend(raw.journal().await.into_iter().rev().take(2).map(|line| (line.tenant, line.id)));
    }
    assert!(in_time > 0, "every request timed out before its outcome was resolved");
    service.stop().await;
    assert_eq!(audit(&direct.location, &acknowledged).await, [""; 0]);
}

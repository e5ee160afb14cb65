//! Reads of the archive take turns by tenant. The control is the same flood without turns.

use reqwest::Method;
use rollcall::limits::{Budget, Budgets, QueuePermit, TurnKey};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::on_both_stores;
use crate::support::api::{Answer, Api, Persona, send};
use crate::support::desks::{directory, event};
use crate::support::tasks::{eventually, spawn};
use crate::support::{Backend, Home, Service, Setup, tenant_id};

on_both_stores!(searches_of_one_tenant_leave_a_turn_for_another);
on_both_stores!(without_the_budget_searches_of_one_tenant_take_every_turn);
on_both_stores!(a_tenant_waits_for_one_turn_of_each_other);
on_both_stores!(events_and_keys_do_not_wait_for_searches);

/// Searches that one tenant requests at a time.
const FLOOD: usize = 64;

/// A search that no conversation meets.
const SEARCH: &str = "{closedConversations(groupIds:[999],interval:{from:\"2024-01-01T00:00:00Z\",\
                      to:\"2024-03-01T00:00:00Z\"}){edges{node{id}}}}";

async fn stage(backend: Backend, budgets: Budgets) -> (Service, [Persona; 3]) {
    let service = Service::start_on(Home::new(backend).await, Setup { budgets, ..Setup::default() }).await;
    let mut personas = Vec::new();
    for name in ["flooding", "also flooding", "quiet"] {
        let persona = service.api.persona(name).await;
        service.api.put_directory(&persona.key, &directory(1)).await;
        personas.push(persona);
    }
    (service, personas.try_into().expect("three"))
}

async fn search(api: &Api, key: &str) -> Answer {
    let answer = api.graphql(key, SEARCH).await.expect("an answer");
    let expected = json!({ "data": { "closedConversations": { "edges": [] } } });
    assert_eq!((answer.status, answer.json()), (200, expected), "{}", answer.text);
    answer
}

/// Enters the queue of reads for a tenant, this many times. The receiver gets each permit when it is granted.
fn enter(service: &Service, tenant: &Persona, times: usize) -> mpsc::UnboundedReceiver<QueuePermit> {
    let key = TurnKey::Tenant(tenant_id(&tenant.tenant));
    let (sender, receiver) = mpsc::unbounded_channel();
    for _ in 0..times {
        let (queue, sender) = (service.app.tenant_reads().queue().clone(), sender.clone());
        drop(spawn(async move {
            let permit = queue.enter(key).await.expect("the queue has room");
            let _over = sender.send(permit);
        }));
    }
    receiver
}

/// Waits until this many reads run and wait.
async fn queued(service: &Service, running: usize, waiting: usize) {
    let queue = service.app.tenant_reads().queue();
    eventually("the reads are queued", async || (queue.running(), queue.waiting()) == (running, waiting)).await;
}

async fn searches_of_one_tenant_leave_a_turn_for_another(backend: Backend) {
    let (service, [flooding, _, quiet]) = stage(backend, Budgets::default()).await;
    let turn = enter(&service, &flooding, 1);
    queued(&service, 1, 0).await;
    let flood: Vec<_> = (0..FLOOD)
        .map(|_| {
            let (api, key) = (service.api.clone(), flooding.key.clone());
            spawn(async move { search(&api, &key).await })
        })
        .collect();
    queued(&service, 1, FLOOD).await;
    for _ in 0..20 {
        search(&service.api, &quiet.key).await;
    }
    queued(&service, 1, FLOOD).await;
    drop(turn);
    for searching in flood {
        searching.await.expect("it is answered");
    }
    service.stop().await;
}

async fn without_the_budget_searches_of_one_tenant_take_every_turn(backend: Backend) {
    let (service, [flooding, _, quiet]) = stage(backend, Budgets::without([Budget::StoreReads])).await;
    let turns = enter(&service, &flooding, 2);
    queued(&service, 2, 0).await;
    let (api, key) = (service.api.clone(), quiet.key.clone());
    let searching = spawn(async move { search(&api, &key).await });
    queued(&service, 2, 1).await;
    drop(turns);
    searching.await.expect("it is answered");
    service.stop().await;
}

/// Each permit that is granted to a flooding tenant is held, so that the quiet one is answered only if its turn is the
/// next one.
async fn a_tenant_waits_for_one_turn_of_each_other(backend: Backend) {
    let (service, [flooding, also_flooding, quiet]) = stage(backend, Budgets::default()).await;
    let mut turns = enter(&service, &flooding, FLOOD);
    let others = enter(&service, &also_flooding, FLOOD);
    queued(&service, 2, 2 * FLOOD - 2).await;
    let (api, key) = (service.api.clone(), quiet.key.clone());
    let searching = spawn(async move { search(&api, &key).await });
    queued(&service, 2, 2 * FLOOD - 1).await;
    drop(turns.recv().await.expect("a turn"));
    searching.await.expect("it is answered");
    drop((turns, others));
    service.stop().await;
}

async fn events_and_keys_do_not_wait_for_searches(backend: Backend) {
    let (service, [flooding, also_flooding, quiet]) = stage(backend, Budgets::default()).await;
    let turns = [enter(&service, &flooding, 2), enter(&service, &also_flooding, 2)];
    queued(&service, 2, 2).await;
    let now = rollcall::clock::Clock::system().now();
    // Conversations that are not in the view are looked up in the archive before their events are applied.
    for (persona, kind) in [(&flooding, "pushed"), (&quiet, "pushed"), (&quiet, "closed")] {
        let conversation = json!({ "conversation": "cbe51cd9-0000-4000-8000-000000000001", "channel": "CHAT" });
        let data =
            if kind == "pushed" { conversation } else { json!({ "conversation": conversation["conversation"] }) };
        let user = (kind == "pushed").then_some(1);
        let posted: Value = event(kind, &format!("conversation.{kind}"), user, now, data);
        service.api.apply(&persona.key, &[posted]).await;
    }
    let (id, key) = service.api.key(&quiet.tenant, &["*"]).await;
    let form = [("grant_type", "client_credentials"), ("client_id", &id), ("client_secret", &key)];
    send(service.api.form("/Auth/connect/token", &form)).await.expect("an answer").ok();
    let keys = service.api.request(Method::GET, &format!("/v1/tenants/{}/keys", quiet.tenant));
    send(keys.bearer_auth(crate::support::ADMIN)).await.expect("an answer").ok();
    queued(&service, 2, 2).await;
    drop(turns);
    service.stop().await;
}

//! `DELETE /v1/tenants/{tenant}`: what holds when it answers, under load, and after a kill.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use reqwest::Method;
use rollcall::domain::EventId;
use rollcall::store::Store;
use serde_json::{Value, json};

use crate::on_both_stores;
use crate::support::api::{Persona, send};
use crate::support::audit::audit;
use crate::support::desks::{SOURCE, connected, directory, leased, user_guid};
use crate::support::process::Process;
use crate::support::raw::RawStore;
use crate::support::requests::{ADMINISTRATION, PUBLIC, dialect, is_unauthenticated, request};
use crate::support::routes::table;
use crate::support::signing::enable_webhooks;
use crate::support::sockets::Desk;
use crate::support::tasks::{Stopwatch, eventually, spawn};
use crate::support::{ADMIN, Api, Backend, Home, Service, Setup, tenant_id};

on_both_stores!(a_deleted_tenant_is_unknown_at_once);
on_both_stores!(a_tenant_is_deleted_under_load);
on_both_stores!(an_append_that_finds_no_head_ends_the_tenant);
on_both_stores!(a_deletion_is_completed_after_a_kill);
on_both_stores!(a_large_tenant_is_deleted_beside_others);

fn now() -> rollcall::domain::Time {
    rollcall::clock::Clock::system().now()
}

/// Deletes a tenant; returns the status.
async fn delete(api: &Api, tenant: &str) -> u16 {
    let request = api.request(Method::DELETE, &format!("/v1/tenants/{tenant}")).bearer_auth(ADMIN);
    send(request).await.expect("an answer").status
}

/// Waits until no row of a deleted tenant is left.
async fn until_rows_are_gone(service: &Service) {
    eventually("the rows are gone", async || service.app.store.deleted_tenants().await.unwrap().is_empty()).await;
}

/// Returns a token for a key.
async fn token(api: &Api, (id, key): &(String, String)) -> String {
    let fields = [("grant_type", "client_credentials"), ("client_id", id.as_str()), ("client_secret", key.as_str())];
    let answer = send(api.form("/Auth/connect/token", &fields)).await.expect("an answer").ok();
    answer.json()["access_token"].as_str().expect("a token").to_owned()
}

async fn a_deleted_tenant_is_unknown_at_once(backend: Backend) {
    let service = Service::start(backend).await;
    let api = &service.api;
    let (gone, kept) = (api.persona("gone").await, api.persona("kept").await);
    for persona in [&gone, &kept] {
        api.put_directory(&persona.key, &directory(3)).await;
        enable_webhooks(api, &persona.tenant).await;
        api.apply(&persona.key, &[leased("1", 1, "a", now(), 3_600), connected("2", 2, now())]).await;
    }
    let token = token(api, &api.key(&gone.tenant, &["*"]).await).await;
    api.get(&token, "/v1/directory").await.unwrap().ok();
    let ticket = api.post(&gone.key, "/v1/desk/tickets", &json!({ "user": "3" })).await.unwrap().ok().json();
    let mut desk = Desk::welcomed(api, &gone.key, 3, "b").await;
    let mut silent = Desk::with_key(api, &gone.key).await;
    let mut other = Desk::welcomed(api, &kept.key, 3, "b").await;

    assert_eq!(delete(api, &gone.tenant).await, 204);
    let apart: Vec<&str> = PUBLIC.iter().chain(&ADMINISTRATION).map(|(path, _)| *path).collect();
    for route in table().iter().filter(|route| !apart.contains(&route.path.as_str())) {
        for credential in [&gone.key, &token] {
            let answer = send(request(api, route, Some(credential), &user_guid(1))).await.expect("an answer");
            assert!(is_unauthenticated(dialect(route), &answer), "{route:?}: {} {}", answer.status, answer.text);
            assert_eq!(answer.header("rollcall-position"), None, "{route:?}");
        }
    }
    let path = format!("/v1/desk?ticket={}", ticket["ticket"].as_str().unwrap());
    assert_eq!(Desk::open(api, &path, &[]).await.err().map(|(status, _)| status), Some(401));
    assert_eq!(desk.recv().await, json!({ "type": "ended", "reason": "credential" }));
    assert_eq!(desk.close_code().await, Some(4_001));
    silent.send_text(&json!({ "type": "hello", "user": "1" }).to_string()).await;
    assert_eq!(silent.close_code().await, Some(1_008));
    assert_eq!(other.heartbeat().await["type"], "heartbeat", "another tenant's desk stays connected");
    let path = format!("/v1/tenants/{}", gone.tenant);
    for (method, path) in [
        (Method::GET, path.clone()),
        (Method::PATCH, path.clone()),
        (Method::DELETE, path.clone()),
        (Method::GET, format!("{path}/limits")),
        (Method::PUT, format!("{path}/limits")),
        (Method::GET, format!("{path}/keys")),
    ] {
        let answer = send(api.request(method.clone(), &path).bearer_auth(ADMIN).json(&json!({}))).await.unwrap();
        assert_eq!(answer.status, 404, "{method} {path}: {}", answer.text);
    }
    let metrics = api.get(ADMIN, "/metrics").await.unwrap().ok().text;
    assert!(!metrics.contains(&gone.tenant) && metrics.contains(&kept.tenant), "{metrics}");
    let again = api.persona("gone").await;
    assert_ne!(again.tenant, gone.tenant, "the name is free, the id is never used again");
    assert_eq!(api.get(&again.key, "/v1/directory").await.unwrap().ok().position(), 0);
    until_rows_are_gone(&service).await;
    let service = service.restart(Setup::default()).await;
    assert_eq!(service.api.get(&gone.key, "/v1/directory").await.unwrap().status, 401);
    assert_eq!(service.api.get(&token, "/v1/directory").await.unwrap().status, 401);
    assert_eq!(service.api.connected(&kept.key).await.0, 3);
    let home = service.stop().await;
    assert_eq!(audit(&home.location, &[]).await, [""; 0]);
}

/// Posts events until it is stopped or one request is not answered with 200. Returns the ids of those that were, and the
/// status that ended it.
async fn write(api: Api, persona: Persona, name: String, stop: Arc<AtomicBool>) -> (Vec<String>, u16) {
    let mut written = Vec::new();
    for n in 0.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let events: Vec<Value> = (0..20).map(|m| connected(format!("{name}-{n}-{m}"), 1 + m, now())).collect();
        let answer = api.events(&persona.key, &events).await.expect("an answer");
        if answer.status != 200 {
            return (written, answer.status);
        }
        written.extend(events.iter().map(|event| event["id"].as_str().unwrap().to_owned()));
    }
    (written, 200)
}

async fn a_tenant_is_deleted_under_load(backend: Backend) {
    let service = Service::start(backend).await;
    let api = &service.api;
    let (gone, kept) = (api.persona("gone").await, api.persona("kept").await);
    for persona in [&gone, &kept] {
        api.put_directory(&persona.key, &directory(20)).await;
    }
    let stop = Arc::new(AtomicBool::new(false));
    let writer = |persona: &Persona, name: String| spawn(write(api.clone(), persona.clone(), name, stop.clone()));
    let doomed: Vec<_> = (0..3).map(|n| writer(&gone, n.to_string())).collect();
    let others: Vec<_> = (0..3).map(|n| writer(&kept, n.to_string())).collect();
    // An import and a search of the archive are under way as well.
    let (import, search) = ((api.clone(), gone.key.clone()), (api.clone(), gone.key.clone()));
    let import = spawn(async move {
        let request = import.0.request(Method::PUT, "/v1/directory").bearer_auth(&import.1).json(&directory(5_000));
        send(request).await.expect("an answer").status
    });
    let search = spawn(async move {
        let query = "{closedConversations(first: 50) {edges {cursor}}}";
        search.0.graphql(&search.1, query).await.expect("an answer").status
    });
    eventually("some was written", async || service.position(&gone.tenant) > 50).await;
    assert_eq!(delete(api, &gone.tenant).await, 204);
    for _ in 0..3 {
        assert_eq!(api.events(&gone.key, &[connected("late", 1, now())]).await.unwrap().status, 401);
    }
    for doomed in doomed {
        assert_eq!(doomed.await.unwrap().1, 401, "a request under way is rejected like one with an unknown key");
    }
    assert!([200, 401].contains(&import.await.unwrap()));
    assert!([200, 400, 401].contains(&search.await.unwrap()));
    until_rows_are_gone(&service).await;
    stop.store(true, Ordering::Relaxed);
    let mut acknowledged = Vec::new();
    for other in others {
        let (written, status) = other.await.unwrap();
        assert_eq!(status, 200, "the other tenant is not affected");
        let id = |id: String| EventId { source: SOURCE.into(), id: id.into() };
        acknowledged.extend(written.into_iter().map(|written| (tenant_id(&kept.tenant), id(written))));
    }
    assert!(!acknowledged.is_empty());
    let home = service.stop().await;
    assert_eq!(audit(&home.location, &acknowledged).await, [""; 0]);
    assert_nothing_left(&home, &gone.tenant).await;
}

/// Panics if a row of any table has the tenant's id.
async fn assert_nothing_left(home: &Home, tenant: &str) {
    let mut raw = RawStore::open(&home.location).await;
    for table in raw.tables().await {
        let rows = raw.rows(&table).await.join("\n");
        assert!(!rows.contains(tenant), "{table}: {rows}");
    }
}

/// Another process deletes the tenant, and an event arrives before the registry is looked at again.
async fn an_append_that_finds_no_head_ends_the_tenant(backend: Backend) {
    let service = Service::start(backend).await;
    let (gone, kept) = (service.api.persona("gone").await, service.api.persona("kept").await);
    service.api.put_directory(&gone.key, &directory(3)).await;
    let (store, _) = Store::open(&service.home.location).await.expect("the store opens");
    assert!(store.delete_tenant(tenant_id(&gone.tenant), now()).await.unwrap());
    let answer = service.api.events(&gone.key, &[connected("1", 1, now())]).await.unwrap();
    assert_eq!(answer.status, 401, "{}", answer.text);
    assert!(service.app.reader.snapshot(tenant_id(&gone.tenant)).is_err());
    service.api.put_directory(&kept.key, &directory(3)).await;
    until_rows_are_gone(&service).await;
    drop(store);
    let home = service.stop().await;
    assert_nothing_left(&home, &gone.tenant).await;
}

async fn a_deletion_is_completed_after_a_kill(backend: Backend) {
    let home = Home::new(backend).await;
    let mut process = Process::start(&home.location, &[]).await;
    let (gone, kept) = (process.api.persona("gone").await, process.api.persona("kept").await);
    for persona in [&gone, &kept] {
        process.api.put_directory(&persona.key, &directory(20)).await;
    }
    let events: Vec<Value> = (0..6_000).map(|n| connected(n, 1 + n % 20, now())).collect();
    process.api.events(&gone.key, &events).await.unwrap().ok();
    assert_eq!(delete(&process.api, &gone.tenant).await, 204);
    process.kill();
    let (store, _) = Store::open(&home.location).await.expect("the store opens");
    let left = store.deleted_tenants().await.unwrap();
    assert_eq!(left, [tenant_id(&gone.tenant)], "killed before the end");
    drop(store);
    let service = Service::start_on(home, Setup::default()).await;
    assert_eq!(service.api.get(&gone.key, "/v1/directory").await.unwrap().status, 401);
    until_rows_are_gone(&service).await;
    service.api.apply(&kept.key, &[connected("new", 1, now())]).await;
    let home = service.stop().await;
    assert_nothing_left(&home, &gone.tenant).await;
    assert_eq!(audit(&home.location, &[]).await, [""; 0]);
}

async fn a_large_tenant_is_deleted_beside_others(backend: Backend) {
    let service = Service::start(backend).await;
    let api = &service.api;
    let (gone, kept) = (api.persona("gone").await, api.persona("kept").await);
    for persona in [&gone, &kept] {
        api.put_directory(&persona.key, &directory(20)).await;
    }
    for n in 0..4 {
        let events: Vec<Value> = (0..10_000).map(|m| connected(n * 10_000 + m, 1 + m % 20, now())).collect();
        api.events(&gone.key, &events).await.unwrap().ok();
    }
    assert_eq!(delete(api, &gone.tenant).await, 204);
    // Each of these is answered while rows are deleted: a slow machine may delay one, and no unbounded slice all.
    let (mut slow, mut asked) = (0, 0);
    while !service.app.store.deleted_tenants().await.unwrap().is_empty() {
        let watch = Stopwatch::start();
        api.apply(&kept.key, &[connected(format!("n{asked}"), 1, now())]).await;
        slow += u32::from(watch.elapsed().as_millis() > 900);
        asked += 1;
    }
    assert!(asked >= 3 && slow * 4 <= asked, "{slow} of {asked} took longer than a write may");
    let home = service.stop().await;
    assert_nothing_left(&home, &gone.tenant).await;
}

//! Wallboards and their links through a restart, with their keys and their time.

mod walls;

use std::time::Duration;

use reqwest::Method;
use rollcall::clock::Clock;
use rollcall::domain::Time;
use serde_json::{Value, json};

use crate::on_both_stores;
use crate::support::api::{Persona, send};
use crate::support::audit::audit;
use crate::support::raw::RawStore;
use crate::support::tasks::eventually;
use crate::support::{ADMIN, Backend, Home, Service, Setup};

on_both_stores!(boards_survive_a_restart);
on_both_stores!(links_end_with_their_key_unless_they_are_kept);
on_both_stores!(links_expire_and_are_deleted);
on_both_stores!(links_are_limited);
on_both_stores!(tokens_of_links_are_not_stored_and_open_nothing);

const LINKS: &str = "/v1/wallboards/default/links";

fn board(title: &str) -> Value {
    json!({ "title": title, "pages": [{ "tiles": [{ "type": "number", "metric": "available" }] }] })
}

async fn put(service: &Service, key: &str, name: &str, board: &Value) {
    let request = service.api.request(Method::PUT, &format!("/v1/wallboards/{name}")).bearer_auth(key).json(board);
    send(request).await.expect("an answer").ok();
}

async fn boards_survive_a_restart(backend: Backend) {
    let mut service = Service::start(backend).await;
    let persona = service.api.persona("tenant").await;
    for name in ["floor", "default", "gone"] {
        put(&service, &persona.key, name, &board(name)).await;
    }
    let request = service.api.request(Method::DELETE, "/v1/wallboards/gone").bearer_auth(&persona.key);
    send(request).await.expect("an answer").ok();
    let listed = service.api.get(&persona.key, "/v1/wallboards").await.expect("an answer").json();
    assert_eq!(listed["wallboards"].as_array().expect("boards").len(), 2);
    // The second start has a checkpoint of the first.
    for _ in 0..2 {
        service = service.restart(Setup::default()).await;
        let again = service.api.get(&persona.key, "/v1/wallboards").await.expect("an answer");
        assert_eq!((again.json(), again.position()), (listed.clone(), 4));
        let floor = service.api.get(&persona.key, "/v1/wallboards/floor").await.expect("an answer");
        assert_eq!((floor.json(), floor.header("etag")), (board("floor"), Some("\"1\"")));
    }
    let home = service.stop().await;
    assert_eq!(audit(&home.location, &[]).await, [""; 0]);
}

/// Makes a link; returns its id and its token.
async fn link(service: &Service, key: &str, wanted: &Value) -> (String, String) {
    let made = service.api.post(key, LINKS, wanted).await.expect("an answer").ok().json();
    let text = |name: &str| made[name].as_str().expect("a text").to_owned();
    (text("id"), text("link"))
}

/// Returns the ids of the links, the newest first.
async fn listed(service: &Service, persona: &Persona) -> Vec<String> {
    let answer = service.api.get(&persona.key, LINKS).await.expect("an answer").ok().json();
    let links = answer["links"].as_array().expect("links").iter();
    links.map(|link| link["id"].as_str().expect("an id").to_owned()).collect()
}

async fn links_end_with_their_key_unless_they_are_kept(backend: Backend) {
    let service = Service::start(backend).await;
    let persona = service.api.persona("tenant").await;
    let (id, maker) = service.api.key(&persona.tenant, &["graphql:read", "users:read", "wallboards:write"]).await;
    let (kept, _) = link(&service, &maker, &json!({ "keep": true })).await;
    let (ended, _) = link(&service, &maker, &json!({})).await;
    assert_eq!(listed(&service, &persona).await, [ended, kept.clone()]);
    let request = service.api.request(Method::DELETE, &format!("/v1/tenants/{}/keys/{id}", persona.tenant));
    assert_eq!(send(request.bearer_auth(ADMIN)).await.expect("an answer").status, 204);
    assert_eq!(listed(&service, &persona).await, std::slice::from_ref(&kept));
    let service = service.restart(Setup::default()).await;
    assert_eq!(listed(&service, &persona).await, [kept]);
    service.stop().await;
}

async fn links_expire_and_are_deleted(backend: Backend) {
    let clock = Clock::manual(Time::from_micros(1_614_589_200_000_000));
    let setup = Setup { clock: clock.clone(), ..Setup::default() };
    let service = Service::start_on(Home::new(backend).await, setup).await;
    let persona = service.api.persona("tenant").await;
    let (hours, _) = link(&service, &persona.key, &json!({ "hours": 12 })).await;
    clock.advance(Duration::from_secs(1));
    let (days, _) = link(&service, &persona.key, &json!({ "days": 1 })).await;
    assert_eq!(listed(&service, &persona).await, [days.clone(), hours]);
    clock.advance(Duration::from_secs(12 * 60 * 60 - 1));
    assert_eq!(listed(&service, &persona).await, [days]);
    clock.advance(Duration::from_secs(12 * 60 * 60 + 1));
    assert!(listed(&service, &persona).await.is_empty());
    let mut raw = RawStore::open(&service.home.location).await;
    eventually("expired links are deleted", async || {
        clock.advance(Duration::from_secs(60 * 60));
        raw.number("SELECT count(*) FROM wallboard_link").await == 0
    })
    .await;
    service.stop().await;
}

async fn links_are_limited(backend: Backend) {
    let service = Service::start(backend).await;
    let (persona, other) = (service.api.persona("tenant").await, service.api.persona("other").await);
    let (first, _) = link(&service, &persona.key, &json!({})).await;
    let mut raw = RawStore::open(&service.home.location).await;
    let digits = if backend == Backend::Embedded {
        "unhex(substr('0000000000000000000000000000000000000000000000000000000000000000' || hex(n), -64))"
    } else {
        "decode(lpad(to_hex(n), 64, '0'), 'hex')"
    };
    raw.run(&format!(
        "INSERT INTO wallboard_link (hash, tenant, board, names, people, key, created, expires)
         WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 999)
         SELECT {digits}, tenant, board, names, people, key, created, expires FROM wallboard_link, numbers"
    ))
    .await;
    let refused = service.api.post(&persona.key, LINKS, &json!({})).await.expect("an answer");
    assert_eq!((refused.status, &refused.json()["detail"]), (409, &json!("there are 1000 links already")));
    link(&service, &other.key, &json!({})).await;
    let request = service.api.request(Method::DELETE, &format!("{LINKS}/{first}")).bearer_auth(&persona.key);
    assert_eq!(send(request).await.expect("an answer").ok().json(), json!({ "ended": 1 }));
    link(&service, &persona.key, &json!({})).await;
    service.stop().await;
}

async fn tokens_of_links_are_not_stored_and_open_nothing(backend: Backend) {
    let service = Service::start(backend).await;
    let persona = service.api.persona("tenant").await;
    let (_, token) = link(&service, &persona.key, &json!({})).await;
    for path in ["/v1/wallboards", "/v1/wallboards/default", "/v1/breakdown", "/v1/live", "/v1/state", LINKS] {
        let answer = service.api.get(&token, path).await.expect("an answer");
        assert_eq!(answer.status, 401, "{path}: {}", answer.text);
    }
    let answer = service.api.graphql(&token, "{ now { position } }").await.expect("an answer");
    assert_eq!(answer.status, 401, "{}", answer.text);
    let mut raw = RawStore::open(&service.home.location).await;
    assert_eq!(raw.number("SELECT count(*) FROM wallboard_link").await, 1);
    let text = if backend == Backend::Embedded { "hex(hash)" } else { "encode(hash, 'hex')" };
    let secret = token.strip_prefix("wl_").expect("the prefix");
    let found = format!("SELECT count(*) FROM wallboard_link WHERE lower({text}) = '{secret}'");
    assert_eq!(raw.number(&found).await, 0, "the hash and not the token");
    service.stop().await;
}

//! `GET /v1/tenants/{tenant}/self-check` and `GET /v1/self-check`: the check of a tenant's state, and the background check.

use std::time::Duration;

use rollcall::clock::Clock;
use rollcall::domain::Time;
use serde_json::{Value, json};

use super::lists::one_in_quarantine;
use crate::on_both_stores;
use crate::support::api::Answer;
use crate::support::desks::{connected, directory};
use crate::support::tasks::eventually;
use crate::support::{ADMIN, Backend, Home, SCRAPER, Service, Setup};

on_both_stores!(a_tenant_is_checked_at_its_newest_position);
on_both_stores!(only_the_administrator_checks_a_tenant_in_service);
on_both_stores!(every_tenant_is_checked_in_the_background);

/// The time of the events, and the start of a driven clock.
const START: Time = Time::from_micros(1_614_589_200_000_000);

async fn get(service: &Service, credential: &str, path: &str) -> Answer {
    service.api.get(credential, path).await.expect("an answer")
}

async fn a_tenant_is_checked_at_its_newest_position(backend: Backend) {
    let service = Service::start(backend).await;
    let persona = service.api.persona("tenant").await;
    let path = format!("/v1/tenants/{}/self-check", persona.tenant);
    let empty = get(&service, ADMIN, &path).await.ok().json();
    assert_eq!((&empty["position"], &empty["recorded"], &empty["users"]), (&json!(0), &json!(null), &json!(0)));
    assert_eq!((&empty["difference_count"], empty.get("digest")), (&json!(0), None));
    service.api.put_directory(&persona.key, &directory(30)).await;
    for user in 1..=10 {
        service.api.apply(&persona.key, &[connected(user, user, START)]).await;
    }
    let answer = get(&service, ADMIN, &format!("{path}?digest=true")).await.ok();
    let state = format!("/v1/tenants/{}/state?digest=true", persona.tenant);
    let state = get(&service, ADMIN, &state).await.ok().json();
    let position = answer.header("rollcall-position").map(str::to_owned);
    assert_eq!((position.as_deref(), answer.header("cache-control")), (Some("11"), Some("no-store")));
    let answer = answer.json();
    for member in ["position", "recorded", "replica", "digest"] {
        assert_eq!(answer[member], state[member], "{member}");
    }
    assert_eq!(
        (&answer["users"], &answer["difference_count"], &answer["differences"]),
        (&json!(30), &json!(0), &json!([]))
    );
    assert!(answer["counts"].as_u64() > empty["counts"].as_u64(), "the values of the directory are counted: {answer}");
    assert!(answer["duration_ms"].is_u64(), "{answer}");
    service.stop().await;
}

async fn only_the_administrator_checks_a_tenant_in_service(backend: Backend) {
    let (service, broken, sound) = one_in_quarantine(backend).await;
    let path = |tenant: &str| format!("/v1/tenants/{tenant}/self-check");
    let unknown = path("00000000-0000-4000-8000-00000000ffff");
    for (credential, path, expected) in [
        (ADMIN, path(&sound.tenant), 200),
        (ADMIN, path(&broken.tenant), 503),
        (ADMIN, unknown.clone(), 404),
        (ADMIN, path("nope"), 404),
        (ADMIN, path(&sound.tenant) + "?digest=2", 400),
        (ADMIN, String::from("/v1/self-check"), 200),
        (&sound.key, path(&sound.tenant), 401),
        (&sound.key, unknown, 401),
        (&sound.key, String::from("/v1/self-check"), 401),
        (SCRAPER, path(&sound.tenant), 401),
        (SCRAPER, String::from("/v1/self-check"), 401),
    ] {
        let answer = get(&service, credential, &path).await;
        assert_eq!(answer.status, expected, "{path} with {credential}: {}", answer.text);
        assert!(expected == 200 || answer.header("content-type") == Some("application/problem+json"), "{path}");
    }
    service.stop().await;
}

async fn every_tenant_is_checked_in_the_background(backend: Backend) {
    let clock = Clock::manual(START);
    let setup = Setup { clock: clock.clone(), ..Setup::default() };
    let service = Service::start_on(Home::new(backend).await, setup).await;
    for name in ["a", "b", "c"] {
        let persona = service.api.persona(name).await;
        service.api.put_directory(&persona.key, &directory(3)).await;
    }
    let newest = async || -> Value { get(&service, ADMIN, "/v1/self-check").await.ok().json() };
    let before = newest().await;
    assert_eq!((&before["checks"], &before["tenants"], &before["oldest_check"]), (&json!(0), &json!(0), &json!(null)));
    assert_eq!(before["since"], "2021-03-01T09:00:00Z");
    clock.advance(Duration::from_secs(60));
    // The pauses are of this clock: between two checks it has to move.
    eventually("every tenant is checked", async || {
        clock.advance(Duration::from_secs(1));
        newest().await["tenants"] == 3
    })
    .await;
    let after = newest().await;
    assert!(after["oldest_check"].as_str() > Some("2021-03-01T09:01:00Z"), "{after}");
    let found = (&after["difference_count"], &after["affected_count"], &after["affected"]);
    assert_eq!(found, (&json!(0), &json!(0), &json!([])));
    assert_eq!((&after["since"], &after["replica"]), (&before["since"], &before["replica"]));
    let checks = after["checks"].as_u64();
    eventually("they are checked again", async || {
        clock.advance(Duration::from_secs(10));
        newest().await["checks"].as_u64() > checks
    })
    .await;
    service.stop().await;
}

//! Request bodies in memory: their total is bounded for each tenant, for all unauthenticated callers, and overall.

use std::time::Duration;

use rollcall::limits::{Budget, Budgets, MemoryBudget};
use serde_json::json;

use super::is_throttled;
use crate::support::api::{Answer, Persona, send};
use crate::support::desks::{connected, directory};
use crate::support::requests::Dialect;
use crate::support::tasks::eventually;
use crate::support::wire::{Wire, status};
use crate::support::{Backend, Home, Service, Setup};

const KIB: usize = 1024;
/// The overall bound. A tenant may take half of what is left, and unauthenticated callers a sixteenth of it all: 64
/// KiB.
const BODIES: usize = 1024 * KIB;

async fn service(budgets: Budgets) -> (Service, [Persona; 3]) {
    let memory = MemoryBudget { bodies: BODIES, ..MemoryBudget::default() };
    let setup = Setup { memory, budgets, ..Setup::default() };
    let service = Service::start_on(Home::new(Backend::Embedded).await, setup).await;
    let api = &service.api;
    let personas = [api.persona("flooding").await, api.persona("second").await, api.persona("quiet").await];
    for persona in &personas {
        api.put_directory(&persona.key, &directory(2)).await;
    }
    (service, personas)
}

/// Sends the beginning of a directory, and keeps the connection open.
async fn half_a_directory(service: &Service, persona: &Persona, kib: usize) -> Wire {
    let mut wire = Wire::to(service.app.address).await;
    wire.send(format!(
        "PUT /v1/directory HTTP/1.1\r\nHost: rollcall\r\nAuthorization: Bearer {}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{}",
        persona.key,
        8 * KIB * KIB,
        " ".repeat(kib * KIB)
    ))
    .await;
    wire
}

/// Sends a directory document that spaces pad to this size.
async fn put(service: &Service, persona: &Persona, kib: usize) -> Answer {
    let document = format!("{}{}", " ".repeat(kib * KIB), json!({ "users": [] }));
    let request = service.api.request(reqwest::Method::PUT, "/v1/directory").bearer_auth(&persona.key);
    send(request.header("Content-Type", "application/json").body(document)).await.expect("an answer")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenants_bodies_are_bounded_and_leave_room_for_others() {
    let (service, [flooding, second, quiet]) = service(Budgets::default()).await;
    let mut first = half_a_directory(&service, &flooding, 400).await;
    eventually("the first body takes most of the share", async || {
        // The first body itself may have been rejected, because of the second.
        if first.read_some(Duration::from_millis(20)).await.is_some() {
            first = half_a_directory(&service, &flooding, 400).await;
        }
        let answer = put(&service, &flooding, 200).await;
        assert!(
            answer.status == 200 || is_throttled(Dialect::Native, &answer, "1"),
            "{} {}",
            answer.status,
            answer.text
        );
        answer.status == 429
    })
    .await;
    assert_eq!(put(&service, &flooding, 50).await.status, 200, "a body within the share is accepted");
    // The second tenant's share is half of what is left. Past it the answer is 503, since others use the rest.
    let mut others = half_a_directory(&service, &second, 250).await;
    eventually("the second tenant's share is used up", async || {
        if others.read_some(Duration::from_millis(20)).await.is_some() {
            others = half_a_directory(&service, &second, 250).await;
        }
        let answer = put(&service, &second, 200).await;
        assert!(answer.status == 200 || answer.is_unavailable(), "{} {}", answer.status, answer.text);
        answer.status == 503
    })
    .await;
    let event = connected("small", 1, rollcall::clock::Clock::system().now());
    service.api.apply(&quiet.key, &[event]).await;
    drop((first, others));
    eventually("all bytes are free again", async || {
        put(&service, &flooding, 450).await.status == 200 && put(&service, &second, 450).await.status == 200
    })
    .await;
    service.stop().await;
}

/// Sends the beginning of a log-in form, and keeps the connection open.
async fn half_a_form(service: &Service, kib: usize) -> Wire {
    let mut wire = Wire::to(service.app.address).await;
    wire.send(format!(
        "POST /oauth2/token HTTP/1.1\r\nHost: rollcall\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         Content-Length: {}\r\n\r\n{}",
        16 * KIB,
        "x".repeat(kib * KIB)
    ))
    .await;
    wire
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unauthenticated_bodies_are_bounded_together() {
    let (service, [_, _, quiet]) = service(Budgets::default()).await;
    let mut held = Vec::new();
    for _ in 0..8 {
        held.push(half_a_form(&service, 15).await);
    }
    let name = "x".repeat(8 * KIB);
    let form = [("grant_type", "password"), ("username", name.as_str()), ("password", "")];
    eventually("their share is used up", async || {
        let answer = send(service.api.form("/oauth2/token", &form)).await.expect("an answer");
        assert!(
            answer.status == 400 || is_throttled(Dialect::Oauth, &answer, "1"),
            "{} {}",
            answer.status,
            answer.text
        );
        answer.status == 429
    })
    .await;
    assert_eq!(put(&service, &quiet, 300).await.status, 200);
    drop(held);
    eventually("the share is free again", async || {
        send(service.api.form("/oauth2/token", &form)).await.expect("an answer").status == 400
    })
    .await;
    service.stop().await;
}

/// The control: without the budget none of these bodies is rejected.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_budget_bodies_are_unbounded() {
    let (service, [flooding, ..]) = service(Budgets::without([Budget::Bodies])).await;
    let mut held = Vec::new();
    for _ in 0..5 {
        held.push(half_a_directory(&service, &flooding, 400).await);
    }
    for _ in 0..5 {
        assert_eq!(put(&service, &flooding, 400).await.status, 200);
    }
    drop(held);
    service.stop().await;
}

/// A request with an invalid credential outside of the body is rejected before the body is read.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn invalid_credentials_are_rejected_before_the_body() {
    let (service, _) = service(Budgets::default()).await;
    for (method, path) in [("PUT", "/v1/directory"), ("POST", "/v1/events"), ("PUT", "/operator/1/live")] {
        let mut wire = Wire::to(service.app.address).await;
        wire.send(format!(
            "{method} {path} HTTP/1.1\r\nHost: rollcall\r\nAuthorization: Bearer wrong\r\n\
             Content-Type: application/json\r\nContent-Length: 1000000\r\n\r\n"
        ))
        .await;
        let answer =
            wire.read_some(Duration::from_secs(10)).await.unwrap_or_else(|| panic!("{path} waits for the body"));
        // iAdvize's REST has 403 for a wrong key.
        assert!(matches!(status(&answer), Some(401 | 403)), "{path}: {answer}");
    }
    service.stop().await;
}

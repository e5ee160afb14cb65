//! Connections: when all are taken, the oldest unauthenticated one is closed for a new one; health checks are always
//! answered.

use std::time::Duration;

use rollcall::limits::{Budget, Budgets};
use serde_json::json;

use crate::support::api::Persona;
use crate::support::desks::{connected, directory};
use crate::support::process::{Process, program, store_flags};
use crate::support::raw::RawStore;
use crate::support::sockets::Desk;
use crate::support::tasks::eventually;
use crate::support::wire::{Wire, status};
use crate::support::{ADMIN, Backend, Home, Service, Setup};

const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
const HALF_SENT: &str = "GET /livez HTTP/1.1\r\nHost: rollcall\r\nX-Half:";
const PROBE: &str = "GET /livez HTTP/1.1\r\nHost: rollcall\r\n\r\n";

async fn service(max_connections: usize, budgets: Budgets) -> Service {
    let setup = Setup { max_connections, budgets, ..Setup::default() };
    Service::start_on(Home::new(Backend::Embedded).await, setup).await
}

/// Sends a request on a new connection; returns the answer.
async fn answer_to(service: &Service, request: &str) -> String {
    answer_if_kept(service, request).await.unwrap_or_else(|| panic!("no answer to {request}"))
}

/// Sends a request on a new connection; returns the answer, or `None` if the connection was closed for a newer one.
async fn answer_if_kept(service: &Service, request: &str) -> Option<String> {
    let mut wire = Wire::to(service.app.address).await;
    wire.send(request).await;
    wire.read_some(ANSWER_TIMEOUT).await
}

/// Opens connections that send `bytes` and stay open.
async fn open(service: &Service, count: usize, bytes: &str) -> Vec<Wire> {
    let mut wires = Vec::new();
    for _ in 0..count {
        let mut wire = Wire::to(service.app.address).await;
        wire.send(bytes).await;
        wires.push(wire);
    }
    wires
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unauthenticated_connections_are_closed_for_new_ones() {
    let service = service(8, Budgets::default()).await;
    let body = "POST /oauth2/token HTTP/1.1\r\nHost: rollcall\r\nContent-Length: 10\r\n\
                Content-Type: application/x-www-form-urlencoded\r\n\r\n";
    for bytes in ["", HALF_SENT, PROBE, body] {
        let mut wires = open(&service, 40, bytes).await;
        for _ in 0..10 {
            assert_eq!(status(&answer_to(&service, PROBE).await), Some(200), "{bytes:?}");
        }
        assert!(
            wires.remove(0).read_to_end(ANSWER_TIMEOUT).await.is_some(),
            "the oldest connection is closed: {bytes:?}"
        );
    }
    service.stop().await;
}

/// The control: without the budget a new connection waits for another to end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_budget_connections_wait() {
    let service = service(8, Budgets::without([Budget::Sockets])).await;
    let wires = open(&service, 8, HALF_SENT).await;
    let mut next = Wire::to(service.app.address).await;
    next.send(PROBE).await;
    assert!(next.read_some(Duration::from_millis(300)).await.is_none(), "the new connection waits");
    drop(wires);
    assert_eq!(status(&next.read_some(ANSWER_TIMEOUT).await.expect("an answer")), Some(200));
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_tenants_desks_leave_connections_for_others() {
    let service = service(20, Budgets::default()).await;
    let (flooding, quiet) = (service.api.persona("flooding").await, service.api.persona("quiet").await);
    service.api.put_directory(&quiet.key, &directory(2)).await;
    let mut desks = Vec::new();
    let refused = loop {
        let headers = [("Authorization", &*format!("Bearer {}", flooding.key))];
        match Desk::open(&service.api, "/v1/desk", &headers).await {
            Ok(desk) => desks.push(desk),
            Err(refused) => break refused,
        }
        assert!(desks.len() <= 20, "a tenant's desks are not bounded");
    };
    assert_eq!((desks.len(), refused.0), (10, 429), "{}", refused.1);
    assert_eq!(refused.1["type"], json!("urn:rollcall:problem:too-many"));
    let mut desk = Desk::welcomed(&service.api, &quiet.key, 1, "tab").await;
    for _ in 0..20 {
        assert_eq!(status(&answer_to(&service, PROBE).await), Some(200));
        assert_eq!(service.api.get(&quiet.key, "/operator/1/live").await.expect("an answer").status, 200);
    }
    assert_eq!(desk.heartbeat().await["type"], "heartbeat");
    drop(desks);
    eventually("the connections are free again", async || {
        let headers = [("Authorization", &*format!("Bearer {}", flooding.key))];
        Desk::open(&service.api, "/v1/desk", &headers).await.is_ok()
    })
    .await;
    service.stop().await;
}

/// Opens connections that stay open, idle after a request of a tenant.
async fn idle(service: &Service, count: usize, persona: &Persona) -> Vec<Wire> {
    let request = format!("GET /skill?key={} HTTP/1.1\r\nHost: rollcall\r\n\r\n", persona.key);
    let mut wires = Vec::new();
    for _ in 0..count {
        let mut wire = Wire::to(service.app.address).await;
        wire.send(&request).await;
        assert_eq!(status(&wire.read_some(ANSWER_TIMEOUT).await.expect("an answer")), Some(200));
        wires.push(wire);
    }
    wires
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_tenants_idle_connections_close_only_their_own() {
    let service = service(20, Budgets::default()).await;
    let (flooding, quiet) = (service.api.persona("flooding").await, service.api.persona("quiet").await);
    // The clients that made the tenants keep connections of their own; they are closed like any other.
    let mut kept = idle(&service, 4, &quiet).await;
    let mut silent = open(&service, 2, "").await;
    let mut flood = idle(&service, 60, &flooding).await;
    let request = format!("GET /skill?key={} HTTP/1.1\r\nHost: rollcall\r\n\r\n", quiet.key);
    for wire in kept.iter_mut().chain(&mut silent) {
        wire.send(&request).await;
        assert_eq!(status(&wire.read_some(ANSWER_TIMEOUT).await.expect("an answer")), Some(200));
    }
    for _ in 0..20 {
        assert_eq!(status(&answer_to(&service, &request).await), Some(200));
    }
    assert!(!flood[0].is_open().await, "the longest idle one of the flood is closed");
    assert!(flood[59].is_open().await, "the newest one is not");
    service.stop().await;
}

/// Sends an event on a new connection, which stays open; the request waits for the store.
///
/// Written by hand, since making a client per connection takes longer than a request waits.
async fn post(service: &Service, persona: &Persona, n: usize) -> Wire {
    let body = connected(n, 1, rollcall::clock::Clock::system().now()).to_string();
    let head = format!(
        "POST /v1/events HTTP/1.1\r\nHost: rollcall\r\nAuthorization: Bearer {}\r\nContent-Type: \
         application/cloudevents+json\r\nContent-Length: {}\r\n\r\n",
        persona.key,
        body.len()
    );
    let mut wire = Wire::to(service.app.address).await;
    wire.send(head + &body).await;
    wire
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn health_checks_have_reserved_connections() {
    let service = service(4, Budgets::default()).await;
    let persona = service.api.persona("tenant").await;
    service.api.put_directory(&persona.key, &directory(2)).await;
    let (second, third) = (service.api.persona("second").await, service.api.persona("third").await);
    let fourth = service.api.persona("fourth").await;
    let directory = format!("GET /operator/1/live?key={} HTTP/1.1\r\nHost: rollcall\r\n\r\n", persona.key);
    let mut raw = RawStore::open(&service.home.location).await;
    raw.block().await;
    let mut n = 0;
    let mut waiting = Vec::new();
    eventually("every connection has a request in flight", async || {
        // Each request times out after a second. The first connection of a tenant is held in any order of arrival.
        for tenant in [&persona, &second, &third, &fourth] {
            n += 1;
            waiting.push(post(&service, tenant, n).await);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        // While places are free, a post that arrives later can take this request's place.
        let Some(refused) = answer_if_kept(&service, &directory).await else { return false };
        for probe in [PROBE, "GET /readyz HTTP/1.1\r\nHost: rollcall\r\n\r\n"] {
            let Some(answer) = answer_if_kept(&service, probe).await else { return false };
            assert!(answer.ends_with("alive\n") || answer.contains("ready"), "{answer}");
        }
        // While places are free, the answer is another one: the blocked store does not confirm the state either.
        status(&refused) == Some(503)
            && refused.to_lowercase().contains("\r\nretry-after: 1\r\n")
            && refused.ends_with(r#"{"meta":{"status":"error","message":"too many connections"}}"#)
    })
    .await;
    raw.release().await;
    drop(waiting);
    eventually("connections are free again", async || {
        answer_if_kept(&service, &directory).await.is_some_and(|answer| status(&answer) == Some(200))
    })
    .await;
    service.stop().await;
}

/// With a `--max-connections` above the limit of open files, half-sent requests do not exhaust the files.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn open_files_do_not_run_out() {
    let home = Home::new(Backend::Embedded).await;
    let mut command = std::process::Command::new("sh");
    command.env_clear().args(["-c", "ulimit -n 256; exec \"$0\" \"$@\""]).arg(program().get_program());
    command.arg("serve").args(store_flags(&home.location)).args(["--admin-token", ADMIN]);
    let process = Process::start_with(command).await;
    let mut wires = Vec::new();
    for _ in 0..400 {
        let mut wire = Wire::to(process.address).await;
        wire.send(HALF_SENT).await;
        wires.push(wire);
    }
    for _ in 0..20 {
        let mut wire = Wire::to(process.address).await;
        wire.send(PROBE).await;
        assert_eq!(status(&wire.read_some(ANSWER_TIMEOUT).await.expect("an answer")), Some(200));
    }
    process.api.persona("tenant").await;
    let (ended, output) = process.terminate().await;
    assert!(ended.success(), "{output}");
    assert!(output.contains("--max-connections"), "{output}");
}

//! The drain before a stop, behind a load balancer: docs/promises.md, "Faults"; docs/decisions/0118-drain.md.

mod signals;

use std::time::Duration;

use reqwest::Method;
use rollcall::clock::Clock;
use rollcall::domain::Time;
use serde_json::json;

use crate::live::socket::Graphql;
use crate::on_both_stores;
use crate::support::api::{Answer, Persona, send};
use crate::support::desks::{connected, directory};
use crate::support::sockets::Desk;
use crate::support::tasks::{eventually, spawn};
use crate::support::wire::Wire;
use crate::support::{Backend, Home, Service, Setup};

on_both_stores!(a_draining_service_answers_and_closes_what_lasts_one_after_the_other);
on_both_stores!(readiness_is_also_that_for_reads_alone);

/// Desks, enough for some to be closed in each part of the drain.
const DESKS: i64 = 24;
/// The length of the drain.
const LENGTH: Duration = Duration::from_secs(10);
/// The timeout of raw reads.
const READ_TIMEOUT: Duration = Duration::from_secs(15);
/// A subscription.
const COUNT: &str = "subscription{live{position}}";

struct Stage {
    service: Service,
    clock: Clock,
    persona: Persona,
}

impl Stage {
    async fn new(backend: Backend) -> Self {
        let clock = Clock::manual(Time::from_micros(1_614_589_200_000_000));
        let setup = Setup { clock: clock.clone(), ..Setup::default() };
        let service = Service::start_on(Home::new(backend).await, setup).await;
        let persona = service.api.persona("tenant").await;
        service.api.put_directory(&persona.key, &directory(DESKS + 1)).await;
        Stage { service, clock, persona }
    }

    async fn get(&self, path: &str) -> Answer {
        send(self.service.api.request(Method::GET, path)).await.expect("an answer")
    }

    /// Sends a request on a connection of its own that may be used again. Returns its answer, and the connection.
    async fn ask(&self, path: &str) -> (String, Wire) {
        let mut wire = Wire::to(self.service.app.address).await;
        wire.send(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n")).await;
        (wire.read_some(READ_TIMEOUT).await.expect("an answer").to_lowercase(), wire)
    }

    /// Checks that a service in the drain is not ready, answers, and wants clients to connect again.
    async fn is_draining(&self) {
        for path in ["/readyz", "/readyz?stale"] {
            let answer = self.get(path).await;
            assert_eq!((answer.status, &*answer.text), (503, "not ready: the service is stopping\n"), "{path}");
        }
        let (answer, mut wire) = self.ask("/livez").await;
        assert!(answer.starts_with("http/1.1 200 ") && answer.contains("\r\nconnection: close\r\n"), "{answer}");
        assert_eq!(wire.read_to_end(READ_TIMEOUT).await.as_deref(), Some(""), "the connection is closed");
    }
}

async fn a_draining_service_answers_and_closes_what_lasts_one_after_the_other(backend: Backend) {
    let stage = Stage::new(backend).await;
    let (api, key) = (&stage.service.api, &stage.persona.key);
    let mut desks = Vec::new();
    for user in 1..=DESKS {
        desks.push(Desk::welcomed(api, key, user, "tab").await.run_idle());
    }
    let mut live = Graphql::with_key(api, key).await;
    live.subscribe("1", COUNT).await;
    live.recv().await;
    let events = api.request(Method::POST, "/graphql").bearer_auth(key).header("Accept", "text/event-stream");
    let events = events.json(&json!({ "query": COUNT })).send().await.expect("events");
    let events = spawn(events.text());
    let (answer, _kept) = stage.ask("/livez").await;
    assert!(!answer.contains("connection: close"), "the control: {answer}");
    assert_eq!((stage.get("/readyz").await.status, stage.get("/readyz?stale").await.status), (200, 200));

    let closed = || desks.iter().filter(|desk| desk.is_finished()).count();
    let acting = async {
        eventually("the drain begins", async || stage.get("/readyz").await.status == 503).await;
        stage.is_draining().await;
        stage.clock.advance(Duration::from_millis(2_900));
        stage.is_draining().await;
        assert_eq!((closed(), events.is_finished()), (0, false), "balancers have not noticed yet");
        let user = DESKS + 1;
        api.apply(key, &[connected("late", user, stage.clock.now())]).await;
        stage.clock.advance(Duration::from_millis(3_600));
        eventually("some desks are closed", async || closed() > 0).await;
        // One that connects now is closed at a moment of its own, too.
        let late = Desk::welcomed(api, key, user, "late").await.run_idle();
        assert!(closed() < desks.len(), "the others have time left");
        stage.clock.advance(Duration::from_millis(3_500));
        late.await.expect("a desk").1
    };
    let (late, ()) = tokio::join!(acting, stage.service.app.drain(LENGTH));
    assert_eq!(late, Some(1_012));
    for desk in desks {
        assert_eq!(desk.await.expect("a desk").1, Some(1_012));
    }
    assert_eq!(live.close_code().await, Some(1_012));
    assert!(events.await.expect("a stream").is_ok(), "the stream ends as it should");
    // The service still answers, and no user was logged off.
    assert_eq!(api.connected(key).await.0, DESKS as u64 + 1);
    stage.service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drain_ends_early_once_no_connection_is_open() {
    let clock = Clock::manual(Time::from_micros(1_614_589_200_000_000));
    let setup = Setup { clock: clock.clone(), ..Setup::default() };
    let service = Service::start_on(Home::new(Backend::Embedded).await, setup).await;
    let mut open = Wire::to(service.app.address).await;
    open.send("GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    open.read_some(READ_TIMEOUT).await.expect("an answer");
    let mut draining = Box::pin(service.app.drain(LENGTH));
    let mut is_ended = async || tokio::time::timeout(Duration::from_millis(50), &mut draining).await.is_ok();
    assert!(!is_ended().await);
    clock.advance(LENGTH / 2);
    assert!(!is_ended().await, "a connection is open");
    drop(open);
    eventually("the drain ends", async || {
        clock.advance(Duration::from_millis(20));
        is_ended().await
    })
    .await;
    assert!(clock.monotonic() < LENGTH);
    drop(draining);
    service.stop().await;
}

async fn readiness_is_also_that_for_reads_alone(backend: Backend) {
    let stage = Stage::new(backend).await;
    for (path, status) in [
        ("/readyz?stale=true", 200),
        ("/readyz?stale=false", 200),
        ("/readyz?stale=maybe", 400),
        ("/readyz?stale&stale", 400),
        ("/readyz?unknown", 200),
    ] {
        assert_eq!(stage.get(path).await.status, status, "{path}");
    }
    stage.service.stop().await;
}

//! Hazard 3: half-sent requests and silent connections hold a connection for a limited time.

use std::time::Duration;

use crate::support::tasks::{Stopwatch, eventually};
use crate::support::wire::{Wire, status};
use crate::support::{Backend, Home, Service, Setup};

/// The header timeout of these tests' services.
const HEADER_TIMEOUT: Duration = Duration::from_millis(700);
/// The timeout of answers and closes, long enough for a busy machine.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

const REQUEST: &str = "GET /livez HTTP/1.1\r\nHost: rollcall\r\n\r\n";

async fn service(max_connections: usize) -> Service {
    let setup = Setup { header_timeout: HEADER_TIMEOUT, max_connections, ..Setup::default() };
    Service::start_on(Home::new(Backend::Embedded).await, setup).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn half_sent_headers_time_out() {
    let service = service(100).await;
    let halves = ["", "G", "GET /livez HTTP/1.1", "GET /livez HTTP/1.1\r\nHost: rollcall\r\nX-Half:", "\r\n"];
    for half in halves {
        let watch = Stopwatch::start();
        let mut wire = Wire::to(service.app.address).await;
        wire.send(half).await;
        let rest = wire.read_to_end(ANSWER_TIMEOUT).await;
        assert!(rest.is_some(), "{half:?} is not closed");
        assert!(watch.elapsed() >= HEADER_TIMEOUT - Duration::from_millis(50), "{half:?} after {:?}", watch.elapsed());
        assert!(rest.is_none_or(|rest| status(&rest) != Some(200)), "{half:?} is no request");
    }
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slowly_sent_headers_time_out() {
    let service = service(100).await;
    let mut wire = Wire::to(service.app.address).await;
    wire.send("GET /livez HTTP/1.1\r\nHost: rollcall\r\nX-Drip: ").await;
    let watch = Stopwatch::start();
    while wire.read_to_end(Duration::from_millis(50)).await.is_none() {
        wire.send("x").await;
        assert!(watch.elapsed() < ANSWER_TIMEOUT, "the connection is not closed");
    }
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn headers_are_limited_in_size() {
    let service = service(100).await;
    for header in [format!("X-Large: {}\r\n", "x".repeat(200_000)), "X-Many: x\r\n".repeat(500)] {
        let mut wire = Wire::to(service.app.address).await;
        wire.send(format!("GET /livez HTTP/1.1\r\nHost: rollcall\r\n{header}\r\n")).await;
        let rest = wire.read_to_end(ANSWER_TIMEOUT).await.expect("the connection is closed");
        // A client that is still sending may get a reset instead of the answer.
        assert!(rest.is_empty() || status(&rest) == Some(431), "{rest}");
    }
    assert!(service.api.is_ready().await);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_are_limited_in_number() {
    let service = service(3).await;
    let mut taken = Vec::new();
    for _ in 0..3 {
        let mut wire = Wire::to(service.app.address).await;
        wire.send(REQUEST).await;
        assert_eq!(status(&wire.read_some(ANSWER_TIMEOUT).await.expect("an answer")), Some(200));
        taken.push(wire);
    }
    let mut next = Wire::to(service.app.address).await;
    next.send(REQUEST).await;
    assert_eq!(status(&next.read_some(HEADER_TIMEOUT).await.expect("an answer at once")), Some(200));
    // Only the oldest connection was closed for it.
    let watch = Stopwatch::start();
    assert!(taken.remove(0).read_to_end(HEADER_TIMEOUT / 4).await.is_some(), "the connection is closed");
    for wire in &mut taken {
        wire.send(REQUEST).await;
        assert_eq!(
            status(&wire.read_some(ANSWER_TIMEOUT).await.expect("an answer")),
            Some(200),
            "{:?}",
            watch.elapsed()
        );
    }
    drop(taken);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_closed_connection_frees_its_place() {
    let service = service(1).await;
    for _ in 0..20 {
        let mut wire = Wire::to(service.app.address).await;
        wire.send(REQUEST).await;
        assert_eq!(status(&wire.read_some(ANSWER_TIMEOUT).await.expect("an answer")), Some(200));
    }
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silent_connections_do_not_delay_shutdown() {
    let setup = Setup { max_connections: 100, ..Setup::default() };
    let service = Service::start_on(Home::new(Backend::Embedded).await, setup).await;
    let mut silent = Wire::to(service.app.address).await;
    let mut idle = Wire::to(service.app.address).await;
    idle.send(REQUEST).await;
    idle.read_some(ANSWER_TIMEOUT).await.expect("an answer");
    let mut half = Wire::to(service.app.address).await;
    half.send("GET /livez HTTP/1.1\r\nHost:").await;
    let address = service.app.address;
    let watch = Stopwatch::start();
    service.stop().await;
    assert!(watch.elapsed() < Duration::from_secs(12), "it took {:?}", watch.elapsed());
    for wire in [&mut silent, &mut idle, &mut half] {
        assert!(wire.read_to_end(ANSWER_TIMEOUT).await.is_some(), "the connection is closed");
    }
    eventually("connections are refused", async || tokio::net::TcpStream::connect(address).await.is_err()).await;
}

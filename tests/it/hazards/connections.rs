//! Hazard 3: half-sent requests and silent connections hold a connection for a limited time, and a bounded memory.

use std::time::Duration;

use rollcall::limits::MemoryBudget;

use crate::support::tasks::{Stopwatch, eventually};
use crate::support::wire::{Wire, status};
use crate::support::{Backend, Home, Service, Setup};

/// The header timeout of these tests' services.
const HEADER_TIMEOUT: Duration = Duration::from_millis(700);
/// The timeout of answers and closes, long enough for a busy machine.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// Less than the timeout of bodies.
const BODY_TIMEOUT: Duration = Duration::from_secs(25);

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
    // The size counts, not the number of pieces in which the head arrives.
    for (length, expected) in [(31_000, 200), (33_000, 431), (40_000, 431)] {
        let mut wire = Wire::to(service.app.address).await;
        wire.send(format!("GET /livez HTTP/1.1\r\nHost: rollcall\r\nX-Long: {}\r\n\r\n", "x".repeat(length))).await;
        assert_eq!(status(&wire.read_some(ANSWER_TIMEOUT).await.expect("an answer")), Some(expected), "{length}");
    }
    assert!(service.api.is_ready().await);
    service.stop().await;
}

/// Opens a connection from another address of this machine.
async fn from_elsewhere(service: &Service) -> Wire {
    Wire::from([127, 0, 0, 2].into(), service.app.address).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn long_unfinished_heads_are_limited_in_number() {
    const LONG_HEADS: usize = 4;
    let memory = MemoryBudget { heads: LONG_HEADS * 64 * 1024, ..MemoryBudget::default() };
    let service = Service::start_on(Home::new(Backend::Embedded).await, Setup { memory, ..Setup::default() }).await;
    let long = format!("GET /livez HTTP/1.1\r\nHost: rollcall\r\nX-Long: {}", "x".repeat(20_000));
    let mut first = Wire::to(service.app.address).await;
    first.send(&long).await;
    let (mut flood, mut short) = (Vec::new(), Vec::new());
    for _ in 0..20 {
        let mut wire = from_elsewhere(&service).await;
        wire.send(&long).await;
        flood.push(wire);
        let mut wire = from_elsewhere(&service).await;
        wire.send(&long[..2_000]).await;
        short.push(wire);
    }
    // The flood's own heads are closed, all but the allowed ones; short heads are not affected.
    let mut open = async || {
        let mut open = 0;
        for wire in &mut flood {
            open += usize::from(wire.is_open().await);
        }
        open
    };
    eventually("the long heads are closed", async || open().await == LONG_HEADS - 1).await;
    for wire in short.iter_mut().chain([&mut first]) {
        wire.send("\r\n\r\n").await;
        assert_eq!(status(&wire.read_some(ANSWER_TIMEOUT).await.expect("an answer")), Some(200));
    }
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_needs_content_beside_its_framing() {
    let service = service(100).await;
    let persona = service.api.persona("tenant").await;
    let head = format!(
        "POST /v1/events HTTP/1.1\r\nHost: rollcall\r\nAuthorization: Bearer {}\r\n\
         Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n",
        persona.key
    );
    // Chunks of one byte, and spaces after the size of a chunk. The bodies never end; a rejected one is read as well.
    let (chunks, spaces) = ("1\r\n \r\n".repeat(150_000), format!("1{}", " ".repeat(900_000)));
    let rejected = head.replace("Bearer ", "Bearer x");
    for (head, framing) in [(&head, &chunks), (&head, &spaces), (&rejected, &chunks)] {
        let mut wire = Wire::to(service.app.address).await;
        let watch = Stopwatch::start();
        // In one write: the server reads on before it polls the handler.
        wire.send([head.as_str(), framing].concat()).await;
        assert!(wire.read_to_end(BODY_TIMEOUT).await.is_some(), "{head:?} {:?} is not closed", &framing[..10]);
        assert!(watch.elapsed() < BODY_TIMEOUT, "it took {:?}", watch.elapsed());
    }
    let mut wire = Wire::to(service.app.address).await;
    wire.send(format!("{head}{}5\r\n   []\r\n0\r\n\r\n", "10\r\n                \r\n".repeat(50_000))).await;
    assert_eq!(status(&wire.read_some(ANSWER_TIMEOUT).await.expect("an answer")), Some(200), "short chunks pass");
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

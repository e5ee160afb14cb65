//! HTTP/2: what bounds a connection of HTTP/1.1 bounds its streams, and no client takes more by opening, resetting or not
//! reading them.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use h2::client::{ResponseFuture, SendRequest};
use h2::{Reason, SendStream};
use hyper::http::{Request, Version};
use rollcall::clock::Clock;
use rollcall::domain::Time;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

use crate::limits::tls::Pair;
use crate::support::desks::directory;
use crate::support::tasks::{Stopwatch, eventually, spawn};
use crate::support::wire::Wire;
use crate::support::{Backend, Home, Service, Setup};

const HEADER_TIMEOUT: Duration = Duration::from_millis(700);
/// The timeout of answers and closes, long enough for a busy machine.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);
/// The first bytes of a connection, and settings without a change.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
/// A frame of type PING.
const PING: &[u8] = b"\0\0\x08\x06\0\0\0\0\x0012345678";

/// A connection of HTTP/2.
struct Client {
    requests: SendRequest<Bytes>,
    /// Ends with the connection.
    ended: JoinHandle<Result<(), h2::Error>>,
}

impl Client {
    async fn over(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> Self {
        let (requests, connection) = h2::client::handshake(stream).await.expect("a handshake");
        let client = Client { requests, ended: spawn(connection) };
        // The settings of the service have arrived with its first answer.
        client.clone_of().ready().await.expect("a connection");
        client
    }

    async fn to(service: &Service) -> Self {
        Client::over(TcpStream::connect(service.app.address).await.expect("a connection")).await
    }

    fn clone_of(&self) -> SendRequest<Bytes> {
        self.requests.clone()
    }

    /// Sends a request, with a body unless it ends with its head. An error once the connection has ended.
    async fn send(&self, request: Request<()>, is_end: bool) -> Result<(ResponseFuture, SendStream<Bytes>), h2::Error> {
        self.clone_of().ready().await?.send_request(request, is_end)
    }

    /// Returns the status and the text of an answer.
    async fn answer(&self, request: Request<()>) -> Result<(u16, String), h2::Error> {
        let (response, _) = self.send(request, true).await?;
        read(response).await
    }

    /// Returns true once the connection has ended.
    async fn is_closed(&mut self) -> bool {
        tokio::time::timeout(ANSWER_TIMEOUT, &mut self.ended).await.is_ok()
    }
}

async fn read(response: ResponseFuture) -> Result<(u16, String), h2::Error> {
    let response = tokio::time::timeout(ANSWER_TIMEOUT, response).await.expect("an answer in time")?;
    assert_eq!(response.version(), Version::HTTP_2);
    let status = response.status().as_u16();
    let (mut body, mut bytes) = (response.into_body(), Vec::new());
    while let Some(piece) = body.data().await {
        let piece = piece?;
        body.flow_control().release_capacity(piece.len())?;
        bytes.extend_from_slice(&piece);
    }
    Ok((status, String::from_utf8(bytes).expect("a text")))
}

fn get(path: &str) -> Request<()> {
    request("GET", path, &[])
}

fn request(method: &str, path: &str, headers: &[(&str, &str)]) -> Request<()> {
    let request = Request::builder().method(method).version(Version::HTTP_2).uri(format!("http://rollcall{path}"));
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    request.body(()).expect("a request")
}

async fn service() -> Service {
    let setup = Setup { header_timeout: HEADER_TIMEOUT, ..Setup::default() };
    Service::start_on(Home::new(Backend::Embedded).await, setup).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_of_one_connection_are_answered_beside_each_other() {
    let service = Service::start(Backend::Embedded).await;
    let persona = service.api.persona("tenant").await;
    service.api.put_directory(&persona.key, &directory(9)).await;
    let client = Client::to(&service).await;
    let authorization = format!("Bearer {}", persona.key);
    let headers = [
        ("authorization", authorization.as_str()),
        ("content-type", "application/json"),
        ("accept", "text/event-stream"),
    ];
    // Answers that do not end, while others come and go.
    let mut live = Vec::new();
    for _ in 0..20 {
        let (response, mut body) = client.send(request("POST", "/graphql", &headers), false).await.expect("a stream");
        let subscription = json!({ "query": "subscription{live{position}}" }).to_string();
        body.send_data(Bytes::from(subscription), true).expect("a body");
        let response = tokio::time::timeout(ANSWER_TIMEOUT, response).await.expect("in time").expect("an answer");
        assert_eq!(response.status(), 200);
        live.push(response.into_body());
    }
    for stream in &mut live {
        let first = tokio::time::timeout(ANSWER_TIMEOUT, stream.data()).await.expect("in time").expect("an event");
        assert!(String::from_utf8_lossy(&first.expect("bytes")).contains("position"));
    }
    let probes = join_all((0..60).map(|_| client.answer(get("/livez")))).await;
    assert!(probes.into_iter().all(|answer| answer.expect("an answer").0 == 200));
    let counted = request("GET", "/operator/live", &headers[..1]);
    assert_eq!(client.answer(counted).await.expect("an answer").0, 200);
    let event = json!([{ "specversion": "1.0", "id": "1", "source": "s", "type": "desk.connected", "subject": "1",
        "time": "2021-03-01T09:00:00Z",        "data": { "session": "a" } }]);
    let (response, mut body) =
        client.send(request("POST", "/v1/events", &headers[..2]), false).await.expect("a stream");
    body.send_data(Bytes::from(event.to_string()), true).expect("a body");
    let (status, text) = read(response).await.expect("an answer");
    assert_eq!((status, &serde_json::from_str::<Value>(&text).expect("JSON")["applied"]), (200, &json!(1)), "{text}");
    // Each operation that is left returns its permit.
    drop(live);
    let probes = join_all((0..90).map(|_| client.answer(get("/livez")))).await;
    assert!(probes.into_iter().all(|answer| answer.expect("an answer").0 == 200));
    service.stop().await;
}

/// Clients that write an upload line by line send as many frames, and the service reads them later.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_in_small_frames_is_taken() {
    let service = Service::start(Backend::Embedded).await;
    let persona = service.api.persona("tenant").await;
    let client = Client::to(&service).await;
    let authorization = format!("Bearer {}", persona.key);
    let headers = [("authorization", authorization.as_str()), ("content-type", "application/json")];
    let (response, mut body) = client.send(request("POST", "/v1/events", &headers), false).await.expect("a stream");
    for _ in 0..1_000 {
        body.send_data(Bytes::from(" ".repeat(110)), false).expect("the connection is open");
    }
    body.send_data(Bytes::from("[]"), true).expect("the connection is open");
    let (status, text) = read(response).await.expect("an answer");
    assert!(status == 200 || status == 400, "{status} {text}");
    assert_eq!(client.answer(get("/livez")).await.expect("an answer").0, 200);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_authority_is_the_host() {
    let service = service().await;
    let client = Client::to(&service).await;
    for (host, status) in [(None, 200), (Some("rollcall"), 200), (Some("other"), 400), (Some("a b"), 400)] {
        let headers: Vec<(&str, &str)> = host.iter().map(|host| ("host", *host)).collect();
        let (found, text) = client.answer(request("GET", "/livez", &headers)).await.expect("an answer");
        assert_eq!(found, status, "{host:?} {text}");
    }
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_settings_bound_a_connection() {
    let service = service().await;
    let client = Client::to(&service).await;
    assert_eq!(client.answer(get("/livez")).await.expect("an answer").0, 200);
    assert_eq!(client.requests.current_max_send_streams(), 100);
    assert!(!client.requests.is_extended_connect_protocol_enabled(), "browsers open WebSockets over HTTP/1.1");
    for (length, status) in [(31_000, 200), (33_000, 431)] {
        let long = "x".repeat(length);
        let answer = client.answer(request("GET", "/livez", &[("x-long", &long)])).await.expect("an answer");
        assert_eq!(answer.0, status, "{length}");
    }
    let client = Client::to(&service).await;
    let many: Vec<(String, String)> = (0..150).map(|n| (format!("x-{n}"), String::from("x"))).collect();
    let many: Vec<(&str, &str)> = many.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(client.answer(request("GET", "/livez", &many)).await.expect("an answer").0, 431);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_without_requests_are_closed() {
    let service = service().await;
    let halves = [&b"P"[..], b"PRI * HTTP/2.0\r\n\r\nSM\r\n", PREFACE, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"];
    for half in halves {
        let watch = Stopwatch::start();
        let mut wire = Wire::to(service.app.address).await;
        wire.send(half).await;
        assert!(wire.read_to_end(ANSWER_TIMEOUT).await.is_some(), "{half:?} is not closed");
        assert!(watch.elapsed() >= HEADER_TIMEOUT - Duration::from_millis(50), "{half:?} after {:?}", watch.elapsed());
    }
    // Idle after a request, which is answered again and again in less than the time.
    let mut client = Client::to(&service).await;
    for _ in 0..4 {
        assert_eq!(client.answer(get("/livez")).await.expect("an answer").0, 200);
        tokio::time::sleep(HEADER_TIMEOUT / 3).await;
    }
    assert!(client.is_closed().await, "an idle connection");
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frames_need_requests() {
    let service = service().await;
    let persona = service.api.persona("tenant").await;
    // Pings alone: more than their part.
    let mut wire = Wire::to(service.app.address).await;
    wire.send([PREFACE, &PING.repeat(60_000)].concat()).await;
    assert!(wire.read_to_end(ANSWER_TIMEOUT).await.is_some(), "pings");
    // A body of bytes, each in a frame.
    let mut client = Client::to(&service).await;
    let authorization = format!("Bearer {}", persona.key);
    let headers = [("authorization", authorization.as_str()), ("content-type", "application/json")];
    let (_response, mut body) = client.send(request("POST", "/v1/events", &headers), false).await.expect("a stream");
    for _ in 0..150_000 {
        if body.send_data(Bytes::from_static(b" "), false).is_err() {
            break;
        }
    }
    assert!(client.is_closed().await, "a body in frames of a byte");
    // The same bytes in usual frames are read to their end.
    let client = Client::to(&service).await;
    let (response, mut body) = client.send(request("POST", "/v1/events", &headers), false).await.expect("a stream");
    body.send_data(Bytes::from([b" ".repeat(1_500_000), b"[]".to_vec()].concat()), true).expect("a body");
    let (status, text) = read(response).await.expect("an answer");
    assert_eq!(status, 200, "{text}");
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_that_are_reset_are_bounded() {
    let service = service().await;
    let persona = service.api.persona("tenant").await;
    service.api.put_directory(&persona.key, &directory(9)).await;
    let authorization = format!("Bearer {}", persona.key);
    let mut client = Client::to(&service).await;
    let mut begun = 0;
    while begun < 2_000 {
        // A body is awaited, so that each has begun and none is answered.
        let headers = [("authorization", authorization.as_str()), ("content-type", "application/json")];
        let Ok((_, mut stream)) = client.send(request("POST", "/v1/events", &headers), false).await else { break };
        stream.send_reset(Reason::CANCEL);
        begun += 1;
        tokio::task::yield_now().await;
    }
    assert!(client.is_closed().await, "{begun} streams were reset");
    // Requests that are answered are as many as a client wants.
    let client = Client::to(&service).await;
    for _ in 0..300 {
        assert_eq!(client.answer(get("/livez")).await.expect("an answer").0, 200);
    }
    // So are streams of events, which only the client ends.
    let client = Client::to(&service).await;
    for _ in 0..300 {
        let live = request("GET", "/v1/live?by=skill", &[("authorization", authorization.as_str())]);
        let (response, mut stream) = client.send(live, true).await.expect("a stream");
        let mut events = response.await.expect("an answer").into_body();
        events.data().await.expect("an event").expect("data");
        stream.send_reset(Reason::CANCEL);
    }
    assert_eq!(client.answer(get("/livez")).await.expect("an answer").0, 200);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_is_not_read_ends_its_connection() {
    let clock = Clock::manual(Time::from_micros(1_614_589_200_000_000));
    let setup = Setup { clock: clock.clone(), ..Setup::default() };
    let service = Service::start_on(Home::new(Backend::Embedded).await, setup).await;
    let mut client = Client::to(&service).await;
    // The description is longer than the window of a stream, which this client never opens again.
    let (response, _) = client.send(get("/openapi.json"), true).await.expect("a stream");
    let _unread = tokio::time::timeout(ANSWER_TIMEOUT, response).await.expect("in time").expect("an answer");
    eventually("it is closed", async || {
        clock.advance(Duration::from_secs(20));
        client.ended.is_finished() || tokio::time::timeout(Duration::from_millis(20), &mut client.ended).await.is_ok()
    })
    .await;
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_ends_connections_after_their_requests() {
    let service = Service::start(Backend::Embedded).await;
    let mut idle = Client::to(&service).await;
    assert_eq!(idle.answer(get("/livez")).await.expect("an answer").0, 200);
    let persona = service.api.persona("tenant").await;
    let authorization = format!("Bearer {}", persona.key);
    let headers = [("authorization", authorization.as_str()), ("content-type", "application/json")];
    let client = Client::to(&service).await;
    let (response, mut body) = client.send(request("POST", "/v1/events", &headers), false).await.expect("a stream");
    body.send_data(Bytes::from_static(b"["), false).expect("a piece");
    // It is under way once a later one is answered.
    assert_eq!(client.answer(get("/livez")).await.expect("an answer").0, 200);
    let finishing = async {
        // GOAWAY: no further request is sent on either connection.
        let ended = tokio::time::timeout(ANSWER_TIMEOUT, &mut idle.ended).await.expect("in time").expect("a task");
        assert!(ended.is_ok(), "{ended:?}");
        body.send_data(Bytes::from_static(b"]"), true).expect("the rest");
        read(response).await.expect("an answer").0
    };
    let (status, _home) = tokio::join!(finishing, service.stop());
    assert_eq!(status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drain_ends_connections_with_their_next_answer() {
    let clock = Clock::manual(Time::from_micros(1_614_589_200_000_000));
    let setup = Setup { clock: clock.clone(), ..Setup::default() };
    let service = Service::start_on(Home::new(Backend::Embedded).await, setup).await;
    let mut client = Client::to(&service).await;
    for _ in 0..3 {
        assert_eq!(client.answer(get("/livez")).await.expect("an answer").0, 200, "the control");
    }
    let acting = async {
        eventually("the drain begins", async || !service.api.is_ready().await).await;
        assert_eq!(client.answer(get("/livez")).await.expect("an answer").0, 200);
        assert!(client.is_closed().await, "the client has to connect again");
        let next = Client::to(&service).await;
        assert_eq!(next.answer(get("/readyz")).await.expect("an answer").0, 503);
        clock.advance(Duration::from_secs(10));
    };
    tokio::join!(acting, service.app.drain(Duration::from_secs(10)));
    service.stop().await;
}

/// Connects with TLS, offering some versions.
async fn secured(service: &Service, pair: &Pair, versions: &[&[u8]]) -> TlsStream<TcpStream> {
    let mut roots = RootCertStore::empty();
    let certificate = std::fs::read(pair.files().certificate).expect("a file");
    roots.add(CertificateDer::from_pem_slice(&certificate).expect("a certificate")).expect("a root");
    let mut config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = versions.iter().map(|version| version.to_vec()).collect();
    let stream = TcpStream::connect(service.app.address).await.expect("a connection");
    let name = ServerName::try_from("localhost").expect("a name");
    TlsConnector::from(Arc::new(config)).connect(name, stream).await.expect("a handshake")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls_negotiates_the_version() {
    let pair = Pair::new();
    let setup = Setup { tls: Some(pair.files()), ..Setup::default() };
    let service = Service::start_on(Home::new(Backend::Embedded).await, setup).await;
    for (offered, chosen) in [
        (&[&b"h2"[..], b"http/1.1"][..], Some(&b"h2"[..])),
        (&[b"http/1.1", b"h2"], Some(b"h2")),
        (&[b"http/1.1"], Some(b"http/1.1")),
        (&[], None),
    ] {
        let stream = secured(&service, &pair, offered).await;
        assert_eq!(stream.get_ref().1.alpn_protocol(), chosen, "{offered:?}");
    }
    let client = Client::over(secured(&service, &pair, &[b"h2"]).await).await;
    let (response, _) = client.send(get("/livez"), true).await.expect("a stream");
    let response = response.await.expect("an answer");
    assert_eq!(response.status().as_u16(), 200);
    assert_eq!(response.headers()["strict-transport-security"], "max-age=31536000");
    // A browser's second connection, for a WebSocket: it offers HTTP/1.1 alone.
    let stream = secured(&service, &pair, &[b"http/1.1"]).await;
    let mut request = "wss://localhost/graphql".into_client_request().expect("a request");
    request.headers_mut().insert("Sec-WebSocket-Protocol", "graphql-transport-ws".parse().expect("a value"));
    let (_socket, answer) = client_async(request, stream).await.expect("a WebSocket");
    assert_eq!(answer.status(), 101);
    service.stop().await;
}

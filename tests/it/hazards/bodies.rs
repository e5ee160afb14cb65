//! Hazards 3 and 4: on every route bodies are limited in time and size, and are never decompressed.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use hyper::body::Frame;
use reqwest::Method;
use rollcall::domain::Fault;
use rollcall::http::extract::body::{BODY_TIMEOUT, DIALECT_LIMIT, read_body_within};
use tokio::time::Interval;

use crate::support::api::{Persona, send};
use crate::support::routes::{Route, table};
use crate::support::tasks::Stopwatch;
use crate::support::wire::{Wire, status};
use crate::support::{ADMIN, Backend, Service};
use crate::tidy::files;

/// The timeout of answers, long enough for a busy machine.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// Every route that reads a body, and the limit of its size in bytes.
const ROUTES: [(&str, &str, usize); 25] = [
    ("POST", "/graphql", 1024 * 1024),
    ("POST", "/agents-availability", 1024 * 1024),
    ("POST", "/v1/user-activity/search", 128 * 1024),
    ("POST", "/user-activity/search", 128 * 1024),
    ("PUT", "/operator/1/live", 1024 * 1024),
    ("PUT", "/api/2/operator/1/live", 1024 * 1024),
    ("POST", "/operator", 1024 * 1024),
    ("PUT", "/operator/1", 1024 * 1024),
    ("POST", "/agent-monitor/search", 128 * 1024),
    ("PATCH", "/agents/5ea70000-0000-4000-8000-000000000001/presence", 1024 * 1024),
    ("POST", "/v1/webhooks/iadvize", 1024 * 1024),
    ("POST", "/v1/desk/tickets", 1024 * 1024),
    ("POST", "/v1/live/tickets", 1024 * 1024),
    ("POST", "/v1/tenants", 1024 * 1024),
    ("PATCH", "/v1/tenants/5ea70000-0000-4000-8000-000000000001", 1024 * 1024),
    ("POST", "/v1/tenants/5ea70000-0000-4000-8000-000000000001/keys", 1024 * 1024),
    ("PUT", "/v1/tenants/5ea70000-0000-4000-8000-000000000001/limits", 1024 * 1024),
    ("POST", "/oauth2/token", 16 * 1024),
    ("POST", "/oauth2/revoke", 16 * 1024),
    ("POST", "/Auth/connect/token", 16 * 1024),
    ("POST", "/Auth/connect/revocation", 16 * 1024),
    ("PUT", "/v1/wallboards/floor", 64 * 1024),
    ("POST", "/v1/wallboards/floor/links", 1024 * 1024),
    ("POST", "/v1/events", 8 * 1024 * 1024),
    ("PUT", "/v1/directory", 32 * 1024 * 1024),
];

async fn service() -> (Service, Persona) {
    let service = Service::start(Backend::Embedded).await;
    let persona = service.api.persona("tenant").await;
    (service, persona)
}

/// Returns the credential and the content type that a route expects.
fn expected<'a>(path: &str, persona: &'a Persona) -> (&'a str, &'static str) {
    let is_form = path.starts_with("/oauth2/") || path.starts_with("/Auth/");
    let kind = if is_form { "application/x-www-form-urlencoded" } else { "application/json" };
    (if path.starts_with("/v1/tenants") { ADMIN } else { &persona.key }, kind)
}

/// Returns the request line and headers, without those of the body's length.
fn head(method: &str, path: &str, persona: &Persona) -> String {
    let (credential, kind) = expected(path, persona);
    format!(
        "{method} {path} HTTP/1.1\r\nHost: rollcall\r\nAuthorization: Bearer {credential}\r\nContent-Type: {kind}\r\n\
         Accept: application/vnd.newvoicemedia.v1+json\r\n",
    )
}

/// Checks that every route that reads a body is in [`ROUTES`]; of several paths of one handler one is enough.
#[test]
fn every_route_with_a_body_is_listed() {
    let is_bodied = |route: &Route| matches!(route.method, "POST" | "PUT" | "PATCH") && route.path != "/echo";
    for route in table().into_iter().filter(is_bodied) {
        let short = route.path.trim_start_matches("/api/2").replace("/v1/agent-monitor", "/agent-monitor");
        let route = Route { method: route.method, path: short };
        assert!(ROUTES.iter().any(|(method, path, _)| route.method == *method && route.takes(path)), "{route:?}");
    }
}

/// The attributes of an event in binary mode, in headers of any case: client libraries of HTTP send lower case only.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attributes_are_read_from_headers_of_any_case() {
    let (service, persona) = service().await;
    let data = "{\"session\":\"s\"}";
    for (n, names) in [["Ce-Id", "Ce-Type", "Ce-Source", "Ce-Time"], ["CE-ID", "cE-tYpE", "CE-SOURCE", "ce-TIME"]]
        .into_iter()
        .enumerate()
    {
        let values = [n.to_string(), String::from("nope"), String::from("/acd"), String::from("2021-03-01T09:00:00Z")];
        let attributes: String = names.iter().zip(values).map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let mut wire = Wire::to(service.app.address).await;
        let head = head("POST", "/v1/events", &persona);
        wire.send(format!("{head}{attributes}Content-Length: {}\r\n\r\n{data}", data.len())).await;
        let answer = wire.read_some(ANSWER_TIMEOUT).await.expect("an answer");
        assert!(
            answer.contains(&format!("{{\"id\":\"{n}\",\"outcome\":\"rejected\",\"reason\":\"unknown type\"")),
            "{answer}"
        );
    }
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_with_too_large_a_length_are_rejected_unread() {
    let (service, persona) = service().await;
    for (method, path, limit) in ROUTES {
        let mut wire = Wire::to(service.app.address).await;
        wire.send(format!("{}Content-Length: {}\r\n\r\n", head(method, path, &persona), limit + 1)).await;
        let answer = wire.read_some(ANSWER_TIMEOUT).await.unwrap_or_else(|| panic!("{path} reads the body first"));
        assert_eq!(status(&answer), Some(413), "{path}: {answer}");
    }
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn chunked_bodies_are_rejected_at_the_limit() {
    let (service, persona) = service().await;
    let chunk = format!("10000\r\n{}\r\n", " ".repeat(0x10000));
    for (method, path, limit) in ROUTES {
        let mut wire = Wire::to(service.app.address).await;
        wire.send(format!("{}Transfer-Encoding: chunked\r\n\r\n", head(method, path, &persona))).await;
        // The body never ends; one chunk more than the limit is enough for the answer.
        for _ in 0..=limit / 0x10000 {
            wire.send(&chunk).await;
        }
        let answer = wire.read_some(ANSWER_TIMEOUT).await.unwrap_or_else(|| panic!("{path} reads past the limit"));
        assert_eq!(status(&answer), Some(413), "{path}: {answer}");
    }
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn compressed_bodies_are_rejected() {
    // 64 KiB of spaces, compressed by `gzip` to a few bytes.
    const PACKED: &[u8] = &[
        0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x03, 0xed, 0xc1, 0x01, 0x01, 0x00, 0x00, 0x00, 0x80,
        0x90, 0xfe, 0xaf, 0xee, 0x08, 0x0a,
    ];
    let (service, persona) = service().await;
    for (method, path, _) in ROUTES {
        for encoding in ["gzip", "deflate", "br", "zstd", "gzip, gzip", "identity, gzip", "GZIP"] {
            let method: Method = method.parse().expect("a method");
            let (credential, kind) = expected(path, &persona);
            let request = service.api.request(method, path).bearer_auth(credential).body(PACKED);
            let request = request.header("Content-Type", kind).header("Content-Encoding", encoding);
            let request = request.header("Accept", "application/vnd.newvoicemedia.v1+json");
            let answer = send(request).await.expect("an answer");
            assert_eq!(answer.status, 415, "{path}, {encoding}: {}", answer.text);
        }
    }
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn aborted_bodies_end_the_request() {
    let (service, persona) = service().await;
    for (method, path, _) in ROUTES {
        let mut wire = Wire::to(service.app.address).await;
        wire.send(format!("{}Content-Length: 100\r\n\r\n{{\"query\":", head(method, path, &persona))).await;
        wire.finish().await;
        let rest = wire.read_to_end(ANSWER_TIMEOUT).await.unwrap_or_else(|| panic!("{path} still waits for the body"));
        assert!(rest.is_empty() || status(&rest) == Some(400), "{path}: {rest}");
    }
    assert!(service.api.is_ready().await);
    service.stop().await;
}

#[tokio::test]
async fn slow_bodies_time_out() {
    assert!(BODY_TIMEOUT <= Duration::from_secs(30));
    let timeout = Duration::from_millis(60);
    let (never, often) = (Duration::from_secs(3_600), Duration::from_millis(5));
    for (what, body) in [("no byte", Drip::every(never)), ("a byte every 5 ms", Drip::every(often))] {
        let watch = Stopwatch::start();
        let read = read_body_within(&Default::default(), body, DIALECT_LIMIT, timeout).await;
        assert_eq!(read.unwrap_err(), Fault::TimedOut, "{what}");
        assert!(watch.elapsed() >= timeout && watch.elapsed() < ANSWER_TIMEOUT, "{what}: {:?}", watch.elapsed());
    }
}

/// Checks that handlers read bodies by the one function with the limits, and not by the libraries' own extractors.
#[test]
fn every_route_reads_bodies_through_the_limits() {
    let mut readers = 0;
    // Parses bytes that were read already.
    let parser = "src/http/extract/form.rs";
    for (file, text) in files(&["src/http"], "rs").into_iter().filter(|(file, _)| file != parser) {
        readers += usize::from(text.contains("read_body("));
        for extractor in ["Json<", "Form<", "Multipart", "body::to_bytes", "into_data_stream"] {
            assert!(!text.contains(extractor), "{file} has {extractor}");
        }
    }
    assert!(readers >= 8, "only {readers} files read bodies");
}

/// A body that sends a byte at an interval and never ends.
struct Drip(Interval);

impl Drip {
    fn every(period: Duration) -> Body {
        let mut interval = tokio::time::interval(period);
        // The first tick of an interval would be immediate.
        interval.reset();
        Body::new(Drip(interval))
    }
}

impl HttpBody for Drip {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_tick(cx).map(|_| Some(Ok(Frame::data(Bytes::from_static(b" ")))))
    }
}

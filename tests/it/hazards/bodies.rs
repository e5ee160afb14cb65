//! Hazards 3 and 4: bodies end, in time and in size, on every route; nothing is inflated.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use hyper::body::Frame;
use reqwest::Method;
use rollcall::domain::Fault;
use rollcall::http::extract::body::{BODY_TIMEOUT, DIALECT, read_body_within};
use tokio::time::Interval;

use crate::support::api::{Persona, send};
use crate::support::routes::{Route, source, table};
use crate::support::tasks::Stopwatch;
use crate::support::wire::{Wire, status};
use crate::support::{ADMIN, Backend, Service};

/// Until when a request that will be answered has been, on a busy machine.
const SURELY: Duration = Duration::from_secs(10);

/// Every route that takes a body, and how large that may be.
const ROUTES: [(&str, &str, usize); 22] = [
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
    ("POST", "/v1/tenants", 1024 * 1024),
    ("PATCH", "/v1/tenants/5ea70000-0000-4000-8000-000000000001", 1024 * 1024),
    ("POST", "/v1/tenants/5ea70000-0000-4000-8000-000000000001/keys", 1024 * 1024),
    ("PUT", "/v1/tenants/5ea70000-0000-4000-8000-000000000001/limits", 1024 * 1024),
    ("POST", "/oauth2/token", 16 * 1024),
    ("POST", "/oauth2/revoke", 16 * 1024),
    ("POST", "/Auth/connect/token", 16 * 1024),
    ("POST", "/Auth/connect/revocation", 16 * 1024),
    ("POST", "/v1/events", 8 * 1024 * 1024),
    ("PUT", "/v1/directory", 32 * 1024 * 1024),
];

async fn service() -> (Service, Persona) {
    let service = Service::start(Backend::Embedded).await;
    let persona = service.api.persona("tenant").await;
    (service, persona)
}

/// What a route takes: whose credential, and which type of body.
fn taken<'a>(path: &str, persona: &'a Persona) -> (&'a str, &'static str) {
    let is_form = path.starts_with("/oauth2/") || path.starts_with("/Auth/");
    let kind = if is_form { "application/x-www-form-urlencoded" } else { "application/json" };
    (if path.starts_with("/v1/tenants") { ADMIN } else { &persona.key }, kind)
}

/// A request's line and headers, but for those about its body.
fn head(method: &str, path: &str, persona: &Persona) -> String {
    let (credential, kind) = taken(path, persona);
    format!(
        "{method} {path} HTTP/1.1\r\nHost: rollcall\r\nAuthorization: Bearer {credential}\r\nContent-Type: {kind}\r\n\
         Accept: application/vnd.newvoicemedia.v1+json\r\n",
    )
}

/// A route that takes a body gets a row; those whose path is only another way to the same are there by one.
#[test]
fn every_route_with_a_body_is_listed() {
    let is_bodied = |route: &Route| matches!(route.method, "POST" | "PUT" | "PATCH") && route.path != "/echo";
    for route in table().into_iter().filter(is_bodied) {
        let short = route.path.trim_start_matches("/api/2").replace("/v1/agent-monitor", "/agent-monitor");
        let route = Route { method: route.method, path: short };
        assert!(ROUTES.iter().any(|(method, path, _)| route.method == *method && route.takes(path)), "{route:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_with_too_large_a_length_are_rejected_unread() {
    let (service, persona) = service().await;
    for (method, path, limit) in ROUTES {
        let mut wire = Wire::to(service.app.address).await;
        wire.send(format!("{}Content-Length: {}\r\n\r\n", head(method, path, &persona), limit + 1)).await;
        let answer = wire.read_some(SURELY).await.unwrap_or_else(|| panic!("{path} waits for the body"));
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
        // It never ends; one more than fits is enough for an answer.
        for _ in 0..=limit / 0x10000 {
            wire.send(&chunk).await;
        }
        let answer = wire.read_some(SURELY).await.unwrap_or_else(|| panic!("{path} waits for more"));
        assert_eq!(status(&answer), Some(413), "{path}: {answer}");
    }
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn compressed_bodies_are_rejected() {
    // 64 KiB of spaces, as `gzip` packs them: far below every limit as it comes, and far above it a thousand times over.
    const PACKED: &[u8] = &[
        0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x03, 0xed, 0xc1, 0x01, 0x01, 0x00, 0x00, 0x00, 0x80,
        0x90, 0xfe, 0xaf, 0xee, 0x08, 0x0a,
    ];
    let (service, persona) = service().await;
    for (method, path, _) in ROUTES {
        for encoding in ["gzip", "deflate", "br", "zstd", "gzip, gzip", "identity, gzip", "GZIP"] {
            let method: Method = method.parse().expect("a method");
            let (credential, kind) = taken(path, &persona);
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
        let rest = wire.read_to_end(SURELY).await.unwrap_or_else(|| panic!("{path} is not over"));
        assert!(rest.is_empty() || status(&rest) == Some(400), "{path}: {rest}");
    }
    assert!(service.api.is_ready().await);
    service.stop().await;
}

#[tokio::test]
async fn slow_bodies_time_out() {
    assert!(BODY_TIMEOUT <= Duration::from_secs(30));
    let patience = Duration::from_millis(60);
    let (never, often) = (Duration::from_secs(3_600), Duration::from_millis(5));
    for (what, body) in [("nothing", Drip::every(never)), ("a drop now and then", Drip::every(often))] {
        let watch = Stopwatch::start();
        let read = read_body_within(&Default::default(), body, DIALECT, patience).await;
        assert_eq!(read.unwrap_err(), Fault::TimedOut, "{what}");
        assert!(watch.elapsed() >= patience && watch.elapsed() < SURELY, "{what}: {:?}", watch.elapsed());
    }
}

/// Whatever reads a body does so through the one function with the limits: the libraries' own extractors have others.
#[test]
fn every_route_reads_bodies_through_the_limits() {
    for file in [
        "native/directory.rs",
        "native/events.rs",
        "native/keys.rs",
        "native/limits.rs",
        "native/settings.rs",
        "native/tenants.rs",
        "native/webhooks/iadvize.rs",
        "iadvize_rest/fields.rs",
        "convoso/search.rs",
        "vonage/agents_availability.rs",
        "vonage/agents/set_presence.rs",
        "oauth/mod.rs",
        "graphql/endpoint.rs",
    ] {
        let text = source(&format!("src/http/{file}"));
        assert!(text.contains("read_body("), "{file}");
        for extractor in ["Json<", "Form<", ": Bytes", "Multipart", "to_bytes", "into_data_stream"] {
            assert!(!text.contains(extractor), "{file} has {extractor}");
        }
    }
}

/// A body of which a byte comes every so often, and which never ends.
struct Drip(Interval);

impl Drip {
    fn every(period: Duration) -> Body {
        let mut interval = tokio::time::interval(period);
        // The first tick of an interval is at once.
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

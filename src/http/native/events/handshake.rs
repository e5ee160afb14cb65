//! The validation handshake of web hooks (CloudEvents, "HTTP 1.1 Web Hooks for Event Delivery", section 4): a sender asks
//! with OPTIONS before it delivers events to an address for the first time.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{ALLOW, CACHE_CONTROL};
use axum::http::{HeaderName, HeaderValue, Method, Response};
use axum::middleware::Next;

use crate::http::state::AppState;

/// Request header with the name of the sending system.
const REQUEST_ORIGIN: HeaderName = HeaderName::from_static("webhook-request-origin");
/// Response header with the system that may deliver events.
const ALLOWED_ORIGIN: HeaderName = HeaderName::from_static("webhook-allowed-origin");
/// Response header with the requests a minute that are accepted; `*` without a limit.
const ALLOWED_RATE: HeaderName = HeaderName::from_static("webhook-allowed-rate");

/// Answers the handshake for the route of events; other requests pass.
///
/// It needs no credential, since it permits nothing: every delivery is authenticated. The permission is in the answer,
/// so that an address in `WebHook-Request-Callback` is never requested.
pub async fn answer(State(app): State<AppState>, request: Request, next: Next) -> Response<Body> {
    let is_handshake = request.method() == Method::OPTIONS && request.uri().path() == "/v1/events";
    match request.headers().get(REQUEST_ORIGIN) {
        Some(origin) if is_handshake => permit(origin.clone(), app.tenants().requests_a_second()),
        _ => next.run(request).await,
    }
}

fn permit(origin: HeaderValue, requests_a_second: Option<u32>) -> Response<Body> {
    let rate = requests_a_second.map_or(HeaderValue::from_static("*"), |rate| HeaderValue::from(u64::from(rate) * 60));
    let mut response = Response::new(Body::empty());
    let headers = response.headers_mut();
    headers.insert(ALLOW, HeaderValue::from_static("POST"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(ALLOWED_ORIGIN, origin);
    headers.insert(ALLOWED_RATE, rate);
    response
}

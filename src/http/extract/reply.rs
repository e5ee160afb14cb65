//! Answers: JSON, never cached, with the position they describe.

use std::borrow::Cow;

use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, RETRY_AFTER, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderName, HeaderValue, Response, StatusCode};
use bytes::Bytes;
use serde::Serialize;

use crate::domain::Fault;
use crate::engine::Snapshot;

/// The response header with the tenant's position that an answer describes.
pub const POSITION: HeaderName = HeaderName::from_static("rollcall-position");
/// The response header that tells for how long the store has not confirmed the state, once that is long.
pub const STALENESS: HeaderName = HeaderName::from_static("rollcall-staleness-ms");
/// From this age on an answer says it.
const STALE_MS: u64 = 2_000;

/// A JSON answer.
pub fn json<T: Serialize>(status: u16, content_type: &'static str, body: &T) -> Response<Body> {
    // Serialising our own plain types cannot fail.
    json_body(status, content_type, Body::from(serde_json::to_vec(body).unwrap_or_default()))
}

/// A JSON answer that is written already, or will be.
pub fn json_body(status: u16, content_type: &'static str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Marks an answer whose bytes are part of the program: it takes no memory, however slowly it is read.
#[derive(Clone, Copy, Debug)]
pub struct IsStatic;

/// A file of a page, which may load what `policy` allows and nothing else.
pub fn file(kind: &str, policy: &'static str, bytes: Cow<'static, [u8]>) -> Response<Body> {
    let (bytes, is_static) = match bytes {
        Cow::Borrowed(bytes) => (Bytes::from_static(bytes), true),
        // Unoptimised builds read the file anew each time.
        Cow::Owned(bytes) => (Bytes::from(bytes), false),
    };
    let mut response = Response::new(Body::from(bytes));
    if is_static {
        response.extensions_mut().insert(IsStatic);
    }
    let headers = response.headers_mut();
    let kind = HeaderValue::from_str(kind).unwrap_or(HeaderValue::from_static("application/octet-stream"));
    headers.insert(CONTENT_TYPE, kind);
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    response
}

/// Says which position the answer describes.
pub fn at_position(mut response: Response<Body>, position: u64) -> Response<Body> {
    response.headers_mut().insert(POSITION, HeaderValue::from(position));
    response
}

/// Says which position the answer was read at, and how old it is when that is worth saying.
pub fn from_snapshot(response: Response<Body>, snapshot: &Snapshot) -> Response<Body> {
    let mut response = at_position(response, snapshot.view.position());
    if snapshot.staleness_ms >= STALE_MS {
        response.headers_mut().insert(STALENESS, HeaderValue::from(snapshot.staleness_ms));
    }
    response
}

/// Says when to try again, where the fault knows.
pub fn retry_after(mut response: Response<Body>, fault: &Fault) -> Response<Body> {
    if let Some(seconds) = fault.retry_after() {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

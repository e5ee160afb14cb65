//! Building responses: JSON that is never cached, with the position it describes, and the status of each fault.

use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderName, HeaderValue, Response, StatusCode};
use serde::Serialize;

use crate::domain::Fault;
use crate::engine::Snapshot;

/// Response header with the tenant's position that the response describes.
pub const POSITION: HeaderName = HeaderName::from_static("rollcall-position");
/// Response header with the milliseconds since the store last confirmed the state; set once they exceed two seconds.
pub const STALENESS: HeaderName = HeaderName::from_static("rollcall-staleness-ms");
/// Milliseconds without confirmation from which on [`STALENESS`] is set.
const STALE_MS: u64 = 2_000;

/// Returns the HTTP status of a fault, before a dialect replaces it by one of its own (docs/reference/native.md,
/// "Errors").
pub const fn status(fault: &Fault) -> u16 {
    match fault {
        Fault::CredentialMissing | Fault::CredentialInvalid => 401,
        Fault::Forbidden => 403,
        Fault::NotFound(_) => 404,
        Fault::MethodNotAllowed => 405,
        Fault::TimedOut => 408,
        Fault::Malformed(_) | Fault::Invalid { .. } => 400,
        Fault::Refused(_) => 422,
        Fault::Conflict(_) => 409,
        Fault::PreconditionFailed(_) => 412,
        Fault::TooLarge(_) => 413,
        Fault::UnsupportedMediaType(_) | Fault::UnsupportedEncoding(_) => 415,
        Fault::TooMany { .. } => 429,
        Fault::Unavailable(_) => 503,
        Fault::Internal => 500,
    }
}

/// Responds with a value as JSON.
pub fn json<T: Serialize>(status: u16, content_type: &'static str, body: &T) -> Response<Body> {
    // Serialising our own plain types cannot fail.
    json_body(status, content_type, Body::from(serde_json::to_vec(body).unwrap_or_default()))
}

/// Responds with a JSON body that is already written, or that is streamed.
pub fn json_body(status: u16, content_type: &'static str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Marks a response with bytes that are part of the program: it takes no memory, however slowly it is read.
#[derive(Clone, Copy, Debug)]
pub struct IsStatic;

/// Sets the position that the response describes.
pub fn at_position(mut response: Response<Body>, position: u64) -> Response<Body> {
    response.headers_mut().insert(POSITION, HeaderValue::from(position));
    response
}

/// Sets the position that the response was read at and, from two seconds on, how long ago the store confirmed it.
pub fn from_snapshot(response: Response<Body>, snapshot: &Snapshot) -> Response<Body> {
    let mut response = at_position(response, snapshot.view.position());
    if snapshot.staleness_ms >= STALE_MS {
        response.headers_mut().insert(STALENESS, HeaderValue::from(snapshot.staleness_ms));
    }
    response
}

/// Sets `Retry-After`, in seconds, for faults that are worth retrying.
pub fn retry_after(mut response: Response<Body>, fault: &Fault) -> Response<Body> {
    if let Some(seconds) = fault.retry_after() {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

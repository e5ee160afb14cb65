//! Headers that every response has, by which browsers keep to what the service means.

use axum::body::Body;
use axum::http::header::{REFERRER_POLICY, STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderValue, Response};

/// Browsers take a response for nothing but its `Content-Type`.
const NO_SNIFFING: HeaderValue = HeaderValue::from_static("nosniff");
/// No page passes on its address, which may contain a key.
const NO_REFERRER: HeaderValue = HeaderValue::from_static("no-referrer");
/// For a year browsers use only HTTPS for this host. Not for the hosts below it, which may be other services.
const ONLY_SECURE: HeaderValue = HeaderValue::from_static("max-age=31536000");

/// Adds the headers. `is_secure` is true for a connection that this service encrypts itself; behind a proxy that does,
/// the proxy adds that header.
pub fn secured(mut response: Response<Body>, is_secure: bool) -> Response<Body> {
    let headers = response.headers_mut();
    headers.insert(X_CONTENT_TYPE_OPTIONS, NO_SNIFFING);
    headers.insert(REFERRER_POLICY, NO_REFERRER);
    if is_secure {
        headers.insert(STRICT_TRANSPORT_SECURITY, ONLY_SECURE);
    }
    response
}

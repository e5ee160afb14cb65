//! Origins of pages that may call the API from a browser: those in the settings, by default none.

use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::http::header::{
    ACCEPT, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_REQUEST_HEADERS, AUTHORIZATION,
    CONTENT_TYPE, RETRY_AFTER,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Response};
use axum::middleware::Next;
use tower_http::cors::{AllowOrigin, CorsLayer};

use super::extract::reply;
use super::native::events::binary;
use super::request_id::REQUEST_ID;
use crate::domain::settings::origin::Origin;

/// Lifetime of a preflight response in a browser's cache (`Access-Control-Max-Age`).
const PREFLIGHT_LIFETIME: Duration = Duration::from_secs(600);

/// Returns the layer that lets pages of these origins send requests and read the responses; `None` without origins.
///
/// Browsers may not attach credentials of their own: a page sets its key or token itself, and there are no cookies.
pub fn layer(origins: &[Origin]) -> Option<CorsLayer> {
    if origins.is_empty() {
        return None;
    }
    // An origin is visible ASCII, which every header may have.
    let origins = origins.iter().filter_map(|origin| HeaderValue::from_str(origin.as_str()).ok());
    let layer = CorsLayer::new()
        .allow_origin(AllowOrigin::list(origins))
        .allow_methods([Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE])
        .allow_headers([
            ACCEPT,
            AUTHORIZATION,
            CONTENT_TYPE,
            HeaderName::from_static("x-api-key"),
            HeaderName::from_static("rollcall-min-position"),
            // Sent by Apollo's clients, by which other servers recognise requests that were preflighted.
            HeaderName::from_static("x-apollo-operation-name"),
            HeaderName::from_static("apollo-require-preflight"),
            HeaderName::from_static("apollographql-client-name"),
            HeaderName::from_static("apollographql-client-version"),
            REQUEST_ID,
        ])
        .expose_headers([reply::POSITION, reply::STALENESS, REQUEST_ID, RETRY_AFTER])
        .max_age(PREFLIGHT_LIFETIME);
    Some(layer)
}

/// Allows the `ce-` headers that a preflight asks for, which carry the attributes of an event (extensions among them, so
/// that no list could name all). Goes around [`layer`], which decides about the origin.
pub async fn allow_attributes(request: Request, next: Next) -> Response<Body> {
    let wanted = if request.method() == Method::OPTIONS { attributes(request.headers()) } else { None };
    let mut response = next.run(request).await;
    if let Some(wanted) = wanted
        && response.headers().contains_key(ACCESS_CONTROL_ALLOW_ORIGIN)
    {
        response.headers_mut().append(ACCESS_CONTROL_ALLOW_HEADERS, wanted);
    }
    response
}

/// Returns the names of attributes among the headers that a page wants to send; `None` if there are none.
fn attributes(headers: &HeaderMap) -> Option<HeaderValue> {
    let values = headers.get_all(ACCESS_CONTROL_REQUEST_HEADERS).iter().filter_map(|value| value.to_str().ok());
    let names = values.flat_map(|names| names.split(',')).map(|name| name.trim().to_ascii_lowercase());
    // What is no name of a header could be read as several in the answer.
    let is_attribute = |name: &String| name.starts_with(binary::PREFIX) && name.parse::<HeaderName>().is_ok();
    let names: Vec<String> = names.filter(is_attribute).collect();
    (!names.is_empty()).then(|| HeaderValue::try_from(names.join(",")).ok())?
}

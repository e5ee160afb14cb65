//! Origins of pages that may call the API from a browser: those in the settings, by default none.

use std::time::Duration;

use axum::http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderName, HeaderValue, Method};
use tower_http::cors::{AllowOrigin, CorsLayer};

use super::extract::reply;
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
            REQUEST_ID,
        ])
        .expose_headers([reply::POSITION, reply::STALENESS, REQUEST_ID, RETRY_AFTER])
        .max_age(PREFLIGHT_LIFETIME);
    Some(layer)
}

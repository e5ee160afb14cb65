//! Origins of pages that may call the API from a browser: those in the settings, by default none.

use std::str::FromStr;
use std::time::Duration;

use axum::http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderName, HeaderValue, Method, Uri};
use tower_http::cors::{AllowOrigin, CorsLayer};

use super::extract::reply;

/// Lifetime of a preflight response in a browser's cache (`Access-Control-Max-Age`).
const PREFLIGHT_LIFETIME: Duration = Duration::from_secs(600);

/// An origin as browsers send it: `https://desk.example.com`, with a port unless it is the scheme's default.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin(HeaderValue);

impl FromStr for Origin {
    type Err = &'static str;

    /// Accepts only the exact form that browsers send. Near misses are rejected rather than corrected, since they would
    /// silently match no browser.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const WANTED: &str = "an origin is http:// or https:// and a lower-case host, with a port unless it is the \
                              scheme's default, and nothing else; wildcards are not supported";
        let (scheme, authority) = text.split_once("://").ok_or(WANTED)?;
        let uri: Uri = text.parse().map_err(|_| WANTED)?;
        let host = uri.host().unwrap_or_default();
        let usual = match scheme {
            "http" => 80,
            "https" => 443,
            _ => return Err(WANTED),
        };
        let port = uri.port_u16();
        let written = port.map_or(host.to_owned(), |port| format!("{host}:{port}"));
        let is_plain = !host.is_empty() && !host.contains(['*', '@']) && !host.bytes().any(|b| b.is_ascii_uppercase());
        if !is_plain || port == Some(usual) || authority != written {
            return Err(WANTED);
        }
        HeaderValue::from_str(text).map(Origin).map_err(|_| WANTED)
    }
}

/// Returns the layer that lets pages of these origins send requests and read the responses; `None` without origins.
///
/// Browsers may not attach credentials of their own: a page sets its key or token itself, and there are no cookies.
pub fn layer(origins: &[Origin]) -> Option<CorsLayer> {
    if origins.is_empty() {
        return None;
    }
    let origins = origins.iter().map(|Origin(origin)| origin.clone());
    let layer = CorsLayer::new()
        .allow_origin(AllowOrigin::list(origins))
        .allow_methods([Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE])
        .allow_headers([
            ACCEPT,
            AUTHORIZATION,
            CONTENT_TYPE,
            HeaderName::from_static("x-api-key"),
            HeaderName::from_static("rollcall-min-position"),
        ])
        .expose_headers([reply::POSITION, reply::STALENESS, RETRY_AFTER])
        .max_age(PREFLIGHT_LIFETIME);
    Some(layer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_exact() {
        for good in ["https://desk.example.com", "http://localhost:3000", "http://127.0.0.1:8080", "http://[::1]:1"] {
            assert!(good.parse::<Origin>().is_ok(), "{good}");
        }
        let bad =
            ["", "*", "null", "desk.example.com", "https://", "https://*", "https://*.example.com", "ftp://a.example"];
        let worse =
            ["https://a.example/", "https://a.example/x", "https://A.example", "https://a.example:443", "http://a:80"];
        let worst =
            ["https://a.example,https://b.example", "https://u@a.example", "https://a.example:x", "https://a b"];
        for bad in bad.into_iter().chain(worse).chain(worst) {
            assert!(bad.parse::<Origin>().is_err(), "{bad}");
        }
    }
}

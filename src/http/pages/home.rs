//! The page at the root: links to the other pages. Programs get the same links as JSON.

use std::sync::LazyLock;

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, VARY};
use axum::http::{HeaderMap, HeaderValue, Response};
use axum::response::{IntoResponse, Redirect};
use rust_embed::RustEmbed;
use serde_json::json;

use super::bundle::Bundle;
use crate::domain::settings::base_path::BasePath;
use crate::http::AppState;
use crate::http::extract::PathIds;
use crate::http::extract::accept::MediaRanges;
use crate::http::extract::reply;
use crate::http::listener::base_path::WithoutSlash;

#[derive(RustEmbed)]
#[folder = "web/home/"]
struct Files;

/// Prepared by the first request.
static BUNDLE: LazyLock<Bundle> = LazyLock::new(Bundle::of::<Files>);

/// The Content-Security-Policy: a style sheet of this server, and nothing that runs.
const POLICY: &str = "default-src 'none'; style-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'";
/// The headers of a request by which the answers differ.
const VARY_BY: &str = "accept, accept-encoding";

/// What the links lead to, and their addresses below the base path.
const LINKS: [(&str, &str); 6] = [
    ("wallboard", "/wallboard"),
    ("graphiql", "/graphiql"),
    ("docs", "/docs/"),
    ("openapi", "/openapi.json"),
    ("live", "/livez"),
    ("ready", "/readyz"),
];

/// Responds with the page if `Accept` prefers HTML, and with JSON otherwise.
pub async fn page(
    State(app): State<AppState>,
    without_slash: Option<Extension<WithoutSlash>>,
    headers: HeaderMap,
) -> Response<Body> {
    let base = &app.edge().base_path;
    let mut response = match (prefers_html(&headers), without_slash) {
        (true, None) => return BUNDLE.page(&headers, POLICY, VARY_BY),
        // The addresses in the page are relative, so that it works below any path: its own has to end with a slash.
        (true, Some(_)) => Redirect::permanent(&format!("{}/", base.last_segment())).into_response(),
        (false, _) => {
            let mut response = reply::json(200, "application/json", &links(base));
            response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
            response
        }
    };
    response.headers_mut().insert(VARY, HeaderValue::from_static(VARY_BY));
    response
}

/// Responds with a file of this version of the page; 404 for that of another one.
pub async fn file(PathIds([hash, name]): PathIds<2>, headers: HeaderMap) -> Response<Body> {
    BUNDLE.respond(&hash, &name, &headers)
}

/// Returns true if HTML is preferred to JSON. Browsers name it; other clients accept anything, and get JSON.
fn prefers_html(headers: &HeaderMap) -> bool {
    let ranges = MediaRanges::of(headers);
    ranges.quality_of("text/html") > ranges.quality_of("application/json")
}

fn links(base: &BasePath) -> serde_json::Value {
    let links: serde_json::Map<_, _> =
        LINKS.iter().map(|(name, path)| ((*name).to_owned(), format!("{base}{path}").into())).collect();
    json!({ "name": "rollcall", "version": env!("CARGO_PKG_VERSION"), "links": links })
}

#[cfg(test)]
mod tests {
    use axum::http::header::ACCEPT;

    use super::*;

    #[test]
    fn browsers_prefer_html_and_others_do_not() {
        let prefers =
            |given: &'static str| prefers_html(&HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static(given))]));
        for given in [
            "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
            "text/html",
            "text/*",
            "application/json;q=0.5, text/html;q=0.6",
        ] {
            assert!(prefers(given), "{given}");
        }
        for given in ["*/*", "", "application/json", "text/html;q=0", "application/json, text/html", "image/png"] {
            assert!(!prefers(given), "{given}");
        }
        assert!(!prefers_html(&HeaderMap::new()));
    }

    #[test]
    fn the_page_has_the_links_and_files_that_exist() {
        let page = String::from_utf8(BUNDLE.index.plain.to_vec()).expect("a text");
        for (name, path) in LINKS.iter().filter(|(name, _)| !matches!(*name, "live" | "ready")) {
            assert!(page.contains(&format!("href=\"{}\"", path.trim_start_matches('/'))), "{name}");
        }
        let sheet = format!("href=\"home/{}/home.css\"", BUNDLE.hash);
        assert!(page.contains(&sheet) && BUNDLE.file(&BUNDLE.hash, "home.css").is_some(), "{page}");
    }
}

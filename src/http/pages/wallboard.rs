//! The wallboard: a board of a tenant, shown by a link's token in the address's fragment, which browsers do not send.

use std::sync::LazyLock;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Response};
use rust_embed::RustEmbed;

use super::bundle::Bundle;
use crate::domain::settings::origin::Origin;
use crate::http::AppState;
use crate::http::extract::PathIds;

#[derive(RustEmbed)]
#[folder = "web/wallboard/"]
struct Files;

/// Prepared by the first request.
static BUNDLE: LazyLock<Bundle> = LazyLock::new(Bundle::of::<Files>);

/// The Content-Security-Policy, without the pages that may embed this one. Styles are those of its file only, and scripts
/// cannot be made of text. `connect-src 'self'` covers the WebSocket.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors ";

/// Responds with the page; 304 if the client has it already.
pub async fn page(State(app): State<AppState>, headers: HeaderMap) -> Response<Body> {
    BUNDLE.page(&headers, &policy(&app.edge().frame_ancestors), "accept-encoding")
}

/// Responds with a file of this version of the page; 404 for that of another one.
pub async fn file(PathIds([hash, name]): PathIds<2>, headers: HeaderMap) -> Response<Body> {
    BUNDLE.respond(&hash, &name, &headers)
}

/// Returns the policy with the origins whose pages may embed this one.
fn policy(ancestors: &[Origin]) -> String {
    let ancestors: Vec<&str> = ancestors.iter().map(Origin::as_str).collect();
    format!("{POLICY}{}", if ancestors.is_empty() { String::from("'none'") } else { ancestors.join(" ") })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes of the compressed page as a browser loads it, with and without the files of its charts.
    #[test]
    fn the_page_is_small() {
        let charts = ["chart.js", "history.js", "uPlot.iife.min.js", "uPlot.min.css"];
        let (mut with, mut without) = (BUNDLE.index.gzip.len(), BUNDLE.index.gzip.len());
        for name in Files::iter().filter(|name| name != "index.html" && !name.ends_with(".txt")) {
            let bytes = BUNDLE.file(&BUNDLE.hash, &name).expect("a file").gzip.len();
            assert!(bytes > 0, "{name}");
            with += bytes;
            without += if charts.contains(&&*name) { 0 } else { bytes };
        }
        assert!(with <= 50_000 && without <= 25_000, "{with} bytes with charts, {without} without");
    }

    #[test]
    fn the_page_names_only_files_that_exist() {
        let page = String::from_utf8(BUNDLE.index.plain.to_vec()).expect("a text");
        let names: Vec<&str> = page.split(&format!("\"wallboard/{}/", BUNDLE.hash)).skip(1).collect();
        assert_eq!(names.len(), 3);
        for name in names.iter().filter_map(|rest| rest.split('"').next()) {
            assert!(BUNDLE.file(&BUNDLE.hash, name).is_some(), "{name}");
            assert!(BUNDLE.file("0123456789abcdef", name).is_none(), "{name} of another version");
        }
        assert!(BUNDLE.file(&BUNDLE.hash, "index.html").is_none());
    }

    #[test]
    fn embedding_pages_are_listed() {
        assert!(policy(&[]).ends_with("frame-ancestors 'none'"));
        let origins = ["https://a.example", "http://b.example:8080"].map(|origin| origin.parse().expect("an origin"));
        assert!(policy(&origins).ends_with("frame-ancestors https://a.example http://b.example:8080"));
    }
}

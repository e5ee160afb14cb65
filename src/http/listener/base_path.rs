//! The service below a path of its host (docs/decisions/0083-below-a-base-path.md). Requests below the path are answered
//! as if they were at the root; requests at the root are answered too, so that a proxy may remove the path or leave it,
//! and probes need no proxy.

use axum::http::uri::PathAndQuery;
use axum::http::{Request, Uri};

use crate::domain::settings::base_path::BasePath;
use crate::http::openapi;

/// First segments of the paths that the description lacks: the vendors' own base paths, pages, and the benchmarks' route.
const UNDESCRIBED: [&str; 7] = ["api", "docs", "echo", "graphiql", "home", "openapi.json", "wallboard"];

/// Marks a request for the base path itself, without a slash at its end: relative addresses in the answer would be of the
/// path above it.
#[derive(Clone, Copy, Debug)]
pub struct WithoutSlash;

/// Returns true if paths of the service begin with the first segment of a base path. Then a request could be meant below
/// the base path or at the root.
pub fn is_taken(base: &BasePath) -> bool {
    if base.is_root() {
        return false;
    }
    let first = base.first_segment();
    let described = openapi::document().paths.paths;
    UNDESCRIBED.contains(&first) || described.keys().any(|path| path.split('/').nth(1) == Some(first))
}

/// Returns a request without the base path in front of its path. One that is not below it is returned as it is.
pub fn stripped<B>(mut request: Request<B>, base: &BasePath) -> Request<B> {
    let Some(rest) = base.rest_of(request.uri().path()) else { return request };
    let is_base = rest.is_empty();
    if let Some(uri) = with_path(request.uri(), if is_base { "/" } else { rest }) {
        *request.uri_mut() = uri;
    }
    if is_base {
        request.extensions_mut().insert(WithoutSlash);
    }
    request
}

/// Returns an address with another path and the same query.
fn with_path(uri: &Uri, path: &str) -> Option<Uri> {
    let target = uri.query().map_or_else(|| path.to_owned(), |query| format!("{path}?{query}"));
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(target).ok()?);
    Uri::from_parts(parts).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_base_path_is_removed_and_the_query_kept() {
        let base: BasePath = "/presence".parse().unwrap();
        for (given, expected) in [
            ("/presence/operator/101?key=a%2Fb&x", "/operator/101?key=a%2Fb&x"),
            ("/presence", "/"),
            ("/presence?a=1", "/?a=1"),
            ("/presence/", "/"),
            ("/presence/presence/livez", "/presence/livez"),
            ("/livez", "/livez"),
            ("/presences", "/presences"),
            ("http://host/presence/livez", "http://host/livez"),
            ("*", "*"),
        ] {
            let request = Request::builder().uri(given).body(()).unwrap();
            let stripped = stripped(request, &base);
            assert_eq!(stripped.uri().to_string(), expected, "{given}");
            let is_marked = stripped.extensions().get::<WithoutSlash>().is_some();
            assert_eq!(is_marked, given.split('?').next() == Some("/presence"), "{given}");
        }
    }

    #[test]
    fn base_paths_that_begin_like_routes_are_taken() {
        let is_taken = |text: &str| is_taken(&text.parse().unwrap());
        for path in ["/v1", "/v1/presence", "/operator", "/agents", "/graphql", "/docs", "/livez", "/api", "/oauth2"] {
            assert!(is_taken(path), "{path}");
        }
        assert!(!is_taken("/") && !is_taken("/presence") && !is_taken("/tools/v1"));
    }
}

//! The ids in a path. A segment may contain any bytes, so reading it cannot fail: the handler authenticates the caller
//! and then rejects what is not an id, in the shape of its dialect.

use std::convert::Infallible;

use axum::extract::{FromRequestParts, MatchedPath};
use axum::http::request::Parts;
use percent_encoding::percent_decode_str;

/// The one id or name in the path of a route, as text.
pub struct PathId(pub String);

/// The ids in the path of a route with `N` of them, in order, as texts. Bytes that are not UTF-8 are replaced by U+FFFD,
/// which no id contains.
pub struct PathIds<const N: usize>(pub [String; N]);

impl<S: Sync, const N: usize> FromRequestParts<S> for PathIds<N> {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let route = parts.extensions.get::<MatchedPath>().map_or("", MatchedPath::as_str);
        Ok(PathIds(ids(route, parts.uri.path())))
    }
}

impl<S: Sync> FromRequestParts<S> for PathId {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Infallible> {
        let PathIds([id]) = PathIds::from_request_parts(parts, state).await?;
        Ok(PathId(id))
    }
}

/// Returns the segments at the placeholders of a route such as `/operator/{id}/live`. They are matched from the end,
/// since a nested router receives the path without the prefix of its routes.
fn ids<const N: usize>(route: &str, path: &str) -> [String; N] {
    let segments = route.rsplit('/').zip(path.rsplit('/'));
    let mut texts: Vec<String> = segments
        .filter(|(placeholder, _)| placeholder.starts_with('{'))
        .map(|(_, segment)| percent_decode_str(segment).decode_utf8_lossy().into_owned())
        .collect();
    // From the first to the last. Empty text, which is no id either, stands for a segment that the route does not have.
    std::array::from_fn(|_| texts.pop().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_the_segments_at_placeholders() {
        assert_eq!(ids("/operator/{id}/live", "/operator/10%31/live"), ["101"]);
        assert_eq!(ids("/api/2/group/{id}", "/group/7"), ["7"]);
        assert_eq!(ids("/v1/tenants/{tenant}/keys/{key}", "/v1/tenants/a%2Fb/keys/%ff%C3%A9"), ["a/b", "\u{FFFD}é"]);
        assert_eq!(ids("/operator", "/operator"), [""]);
    }
}

//! Versions of boards as entity tags (RFC 9110): `ETag` in answers, `If-Match` in requests.

use axum::body::Body;
use axum::http::header::{ETAG, IF_MATCH};
use axum::http::{HeaderMap, HeaderValue, Response};

use crate::domain::Fault;
use crate::domain::board::Expected;

/// Sets the version of the board that the response describes.
pub fn with_version(mut response: Response<Body>, version: u64) -> Response<Body> {
    if let Ok(tag) = HeaderValue::try_from(format!("\"{version}\"")) {
        response.headers_mut().insert(ETAG, tag);
    }
    response
}

/// Returns the state that a board must be in for a request. [`Fault::Invalid`] for a header that is neither `*` nor one
/// tag.
pub fn expected(headers: &HeaderMap) -> Result<Option<Expected>, Fault> {
    let mut values = headers.get_all(IF_MATCH).iter();
    let Some(first) = values.next() else { return Ok(None) };
    let text = first.to_str().unwrap_or_default().trim();
    let tag = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).filter(|tag| !tag.contains('"'));
    match (text, tag) {
        _ if values.next().is_some() => Err(Fault::invalid("If-Match", "is given twice")),
        ("*", _) => Ok(Some(Expected::Present)),
        (_, Some(tag)) => {
            // In the one spelling that `ETag` has. Another tag is none that a board has had: its version differs then.
            let version = tag.parse().ok().filter(|version: &u64| version.to_string() == tag);
            Ok(Some(Expected::Version(version.unwrap_or(u64::MAX))))
        }
        _ => Err(Fault::misfit_text("If-Match", "must be * or one version in quotation marks, as ETag has it", text)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(values: &[&'static str]) -> Option<Option<Expected>> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(IF_MATCH, HeaderValue::from_static(value));
        }
        expected(&headers).ok()
    }

    #[test]
    fn versions_are_tags() {
        assert_eq!(read(&[]), Some(None));
        assert_eq!(read(&["*"]), Some(Some(Expected::Present)));
        assert_eq!(read(&["\"42\""]), Some(Some(Expected::Version(42))));
        for other in ["\"x\"", "\"042\"", "\"+42\"", "\"00\"", "\" 42\"", "\"\""] {
            assert_eq!(read(&[other]), Some(Some(Expected::Version(u64::MAX))), "{other}");
        }
        assert_eq!(read(&["\"0\""]), Some(Some(Expected::Version(0))));
        for wrong in [&["42"][..], &["\"1\", \"2\""], &["W/\"1\""], &[""], &["*", "*"]] {
            assert_eq!(read(wrong), None, "{wrong:?}");
        }
    }
}

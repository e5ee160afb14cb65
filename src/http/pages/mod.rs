//! Pages for people, with their files. All of it is part of the program, so that it works without internet access. Addresses
//! within the pages are relative: behind a proxy the service may be below a path of another server.

mod bundle;
pub mod graphiql;
pub mod home;
pub mod swagger_ui;
pub mod wallboard;

use std::borrow::Cow;

use axum::body::Body;
use axum::http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH, VARY,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use axum::response::IntoResponse;
use bytes::Bytes;
use rust_embed::{EmbeddedFile, RustEmbed};

use super::extract::reply::IsStatic;
use super::fault::NativeFault;
use crate::domain::Fault;

/// The Content-Security-Policy of GraphiQL and Swagger UI: files and requests of this server only, and fonts and images inside of its
/// files. Inline styles are allowed because GraphiQL's dialogs and Swagger UI need them.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; font-src 'self' data:; \
     img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);
/// The end of the name of a file's compressed form, which is beside the large files (`web/README.md`).
const COMPRESSED: &str = ".gz";

/// Responds with a file of a folder below `web`, under the policy; 404 for an unknown name. Compressed where the client
/// accepts that and a compressed form exists; 304 if the client has the file already.
fn embedded<Files: RustEmbed>(name: &str, headers: &HeaderMap) -> Response<Body> {
    // The compressed forms have no address of their own.
    let plain = Files::get(name).filter(|_| !name.ends_with(COMPRESSED));
    let Some(plain) = plain else { return NativeFault(Fault::NotFound("file")).into_response() };
    let compressed = if accepts_gzip(headers) { Files::get(&format!("{name}{COMPRESSED}")) } else { None };
    let is_compressed = compressed.is_some();
    let file = compressed.unwrap_or(plain);
    let tag = tag(&file);
    let mut response = if has(headers, &tag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        let mut response = whole(file);
        response.headers_mut().insert(CONTENT_TYPE, kind(name));
        if is_compressed {
            response.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        response
    };
    response.headers_mut().extend([
        (ETAG, tag),
        // Names do not change with the contents, so the tag is compared each time.
        (CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        (VARY, HeaderValue::from_static("accept-encoding")),
        (CONTENT_SECURITY_POLICY, POLICY),
    ]);
    response
}

/// Returns the media type of a file by its name.
fn kind(name: &str) -> HeaderValue {
    HeaderValue::from_static(match name.rsplit_once('.') {
        Some((_, "html")) => "text/html; charset=utf-8",
        Some((_, "js")) => "text/javascript; charset=utf-8",
        Some((_, "css")) => "text/css; charset=utf-8",
        _ => "text/plain; charset=utf-8",
    })
}

fn whole(file: EmbeddedFile) -> Response<Body> {
    let (bytes, is_static) = match file.data {
        Cow::Borrowed(bytes) => (Bytes::from_static(bytes), true),
        Cow::Owned(bytes) => (Bytes::from(bytes), false),
    };
    let mut response = Response::new(Body::from(bytes));
    if is_static {
        response.extensions_mut().insert(IsStatic);
    }
    response
}

/// Returns the entity tag: a hash of the bytes that are sent, so that the two forms of a file have different tags.
fn tag(file: &EmbeddedFile) -> HeaderValue {
    let hash: String = file.metadata.sha256_hash()[..16].iter().map(|byte| format!("{byte:02x}")).collect();
    // Hexadecimal digits in quotes are a valid header.
    HeaderValue::from_str(&format!("\"{hash}\"")).unwrap_or(HeaderValue::from_static("\"\""))
}

/// Returns true if `If-None-Match` has the tag, weak or strong (RFC 9110, 13.1.2).
fn has(headers: &HeaderMap, tag: &HeaderValue) -> bool {
    let tag = tag.to_str().unwrap_or_default();
    words(headers, IF_NONE_MATCH).any(|given| given == "*" || given.strip_prefix("W/").unwrap_or(given) == tag)
}

/// Returns true if `Accept-Encoding` has gzip with a weight above 0.
fn accepts_gzip(headers: &HeaderMap) -> bool {
    words(headers, ACCEPT_ENCODING).any(|coding| {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, "q=1"));
        let weight = weight.trim().strip_prefix("q=").and_then(|weight| weight.trim().parse::<f32>().ok());
        name.trim().eq_ignore_ascii_case("gzip") && weight.is_some_and(|weight| weight > 0.0)
    })
}

/// Returns the elements of a header's list.
fn words(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &str> {
    let texts = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    texts.flat_map(|text| text.split(',')).map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gzip_is_used_where_it_is_accepted() {
        let accepts = |given: &'static str| {
            accepts_gzip(&HeaderMap::from_iter([(ACCEPT_ENCODING, HeaderValue::from_static(given))]))
        };
        for given in ["gzip", "deflate, GZIP", "br;q=1.0, gzip;q=0.8, *;q=0.1", "gzip ; q=1"] {
            assert!(accepts(given), "{given}");
        }
        for given in ["", "identity", "gzip;q=0", "gzip;q=0.000", "x-gzip-2", "gzip;q=much"] {
            assert!(!accepts(given), "{given}");
        }
        assert!(!accepts_gzip(&HeaderMap::new()));
    }

    #[test]
    fn a_tag_is_found_in_any_form() {
        let tag = HeaderValue::from_static("\"7\"");
        let has =
            |given: &'static str| has(&HeaderMap::from_iter([(IF_NONE_MATCH, HeaderValue::from_static(given))]), &tag);
        assert!(has("\"7\"") && has("W/\"7\"") && has("\"1\", \"7\"") && has("*"));
        assert!(!has("\"8\"") && !has("7") && !has(""));
    }
}

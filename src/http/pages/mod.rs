//! Pages for people, with their files. All of it is part of the program, so that it works without internet access.

pub mod graphiql;
pub mod swagger_ui;

use std::borrow::Cow;

use axum::body::Body;
use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::http::{HeaderValue, Response};
use axum::response::IntoResponse;
use bytes::Bytes;
use rust_embed::RustEmbed;

use super::extract::reply::IsStatic;
use super::fault::NativeFault;
use crate::domain::Fault;

/// The Content-Security-Policy of every page: files and requests of this server only, and fonts and images inside of its
/// files. Inline styles are allowed because GraphiQL's dialogs and Swagger UI need them.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; font-src 'self' data:; \
     img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);

/// Responds with a file of a folder below `web`, under the policy; 404 for an unknown name.
fn embedded<Files: RustEmbed>(name: &str) -> Response<Body> {
    let Some(file) = Files::get(name) else { return NativeFault(Fault::NotFound("file")).into_response() };
    let kind = match name.rsplit_once('.') {
        Some((_, "html")) => "text/html; charset=utf-8",
        Some((_, "js")) => "text/javascript; charset=utf-8",
        Some((_, "css")) => "text/css; charset=utf-8",
        _ => "text/plain; charset=utf-8",
    };
    let (bytes, is_static) = match file.data {
        Cow::Borrowed(bytes) => (Bytes::from_static(bytes), true),
        Cow::Owned(bytes) => (Bytes::from(bytes), false),
    };
    let mut response = Response::new(Body::from(bytes));
    if is_static {
        response.extensions_mut().insert(IsStatic);
    }
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CONTENT_SECURITY_POLICY, POLICY);
    response
}

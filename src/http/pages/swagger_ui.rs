//! Swagger UI, which shows the OpenAPI description.

use axum::body::Body;
use axum::http::{HeaderMap, Response};
use axum::response::Redirect;
use rust_embed::RustEmbed;

use super::embedded;
use crate::http::extract::PathId;

#[derive(RustEmbed)]
#[folder = "web/swagger-ui/"]
struct Files;

/// Redirects to the address with a slash, which is the page's own: below it are its files.
pub async fn moved() -> Redirect {
    // Relative, so that it holds below any path.
    Redirect::permanent("docs/")
}

/// Responds with the page.
pub async fn page(headers: HeaderMap) -> Response<Body> {
    embedded::<Files>("index.html", &headers)
}

/// Responds with one of the page's files.
pub async fn file(PathId(name): PathId, headers: HeaderMap) -> Response<Body> {
    embedded::<Files>(&name, &headers)
}

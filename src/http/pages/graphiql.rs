//! GraphiQL, to try the GraphQL API.

use axum::body::Body;
use axum::http::{HeaderMap, Response};
use rust_embed::RustEmbed;

use super::embedded;
use crate::http::extract::PathId;

#[derive(RustEmbed)]
#[folder = "web/graphiql/"]
struct Files;

/// Responds with the page.
pub async fn page(headers: HeaderMap) -> Response<Body> {
    embedded::<Files>("index.html", &headers)
}

/// Responds with one of the page's files.
pub async fn file(PathId(name): PathId, headers: HeaderMap) -> Response<Body> {
    embedded::<Files>(&name, &headers)
}

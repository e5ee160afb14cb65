//! GraphiQL, to try the GraphQL API.

use axum::body::Body;
use axum::extract::Path;
use axum::http::Response;
use rust_embed::RustEmbed;

use super::embedded;

#[derive(RustEmbed)]
#[folder = "web/graphiql/"]
struct Files;

/// Responds with the page.
pub async fn page() -> Response<Body> {
    embedded::<Files>("index.html")
}

/// Responds with one of the page's files.
pub async fn file(Path(name): Path<String>) -> Response<Body> {
    embedded::<Files>(&name)
}

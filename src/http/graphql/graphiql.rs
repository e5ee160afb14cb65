//! The GraphiQL page and its files, embedded in the binary so that it works without internet access.

use axum::body::Body;
use axum::http::Response;
use axum::response::IntoResponse;
use rust_embed::RustEmbed;

use crate::domain::Fault;
use crate::http::extract::{PathId, reply};
use crate::http::fault::NativeFault;

#[derive(RustEmbed)]
#[folder = "src/http/graphql/graphiql/"]
struct Files;

/// The Content-Security-Policy: files of this server only, and embedded fonts and images. Inline styles are allowed
/// because GraphiQL's dialogs need them.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; font-src data:; \
                      img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'";

/// Serves the page.
pub async fn page() -> Response<Body> {
    serve("index.html")
}

/// Serves one of the page's files; 404 for an unknown name.
pub async fn file(PathId(name): PathId) -> Response<Body> {
    serve(&name)
}

fn serve(name: &str) -> Response<Body> {
    let kind = match name.rsplit_once('.') {
        Some((_, "html")) => "text/html; charset=utf-8",
        Some((_, "js")) => "text/javascript; charset=utf-8",
        Some((_, "css")) => "text/css; charset=utf-8",
        _ => "text/plain; charset=utf-8",
    };
    let Some(file) = Files::get(name) else { return NativeFault(Fault::NotFound("file")).into_response() };
    reply::file(kind, POLICY, file.data)
}

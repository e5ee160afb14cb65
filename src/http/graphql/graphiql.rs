//! A page to try GraphQL on, with everything it needs: it works without internet.

use axum::body::Body;
use axum::extract::Path;
use axum::http::Response;
use axum::response::IntoResponse;
use rust_embed::RustEmbed;

use crate::domain::Fault;
use crate::http::extract::reply;
use crate::http::fault::NativeFault;

#[derive(RustEmbed)]
#[folder = "src/http/graphql/graphiql/"]
struct Files;

/// Nothing from anywhere else; inline styles only, which the page's dialogs need.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; font-src data:; \
                      img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'";

/// The page.
pub async fn page() -> Response<Body> {
    serve("index.html")
}

/// One of its files.
pub async fn file(Path(name): Path<String>) -> Response<Body> {
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

//! Swagger UI, which shows the OpenAPI description. Its files come with its crate.

use std::sync::{Arc, LazyLock};

use axum::body::Body;
use axum::extract::Path;
use axum::http::Response;
use axum::response::Redirect;
use utoipa_swagger_ui::{Config, serve};

use super::{respond, unknown};

/// Without an online validator, and without credentials that stay in the browser.
static CONFIG: LazyLock<Arc<Config<'static>>> =
    LazyLock::new(|| Arc::new(Config::from("/openapi.json").validator_url("none").persist_authorization(false)));

/// Redirects to the path with a slash: without it, browsers would resolve the page's relative links one level up.
pub async fn moved() -> Redirect {
    Redirect::permanent("/docs/")
}

/// Responds with the page.
pub async fn page() -> Response<Body> {
    answer("index.html")
}

/// Responds with one of the page's files.
pub async fn file(Path(name): Path<String>) -> Response<Body> {
    answer(&name)
}

fn answer(name: &str) -> Response<Body> {
    match serve(name, CONFIG.clone()) {
        Ok(Some(file)) => respond(&file.content_type, file.bytes),
        Ok(None) | Err(_) => unknown(),
    }
}

//! Swagger UI for the OpenAPI description. All its files are part of the program, so that it works offline.

use std::sync::{Arc, LazyLock};

use axum::body::Body;
use axum::http::Response;
use axum::response::{IntoResponse, Redirect};
use utoipa_swagger_ui::{Config, serve};

use crate::domain::Fault;
use crate::http::extract::{PathId, reply};
use crate::http::fault::NativeFault;

/// Without an online validator, and without credentials that stay in the browser.
static CONFIG: LazyLock<Arc<Config<'static>>> =
    LazyLock::new(|| Arc::new(Config::from("/openapi.json").validator_url("none").persist_authorization(false)));

/// Content security policy of the page: it may load nothing from other origins.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; font-src 'self'; \
                      img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'";

/// Redirects to the path with a slash: without it, browsers would resolve the page's relative links one level up.
pub async fn moved() -> Redirect {
    Redirect::permanent("/docs/")
}

/// Responds with the page.
pub async fn page() -> Response<Body> {
    answer("index.html")
}

/// Responds with one of the page's files.
pub async fn file(PathId(name): PathId) -> Response<Body> {
    answer(&name)
}

fn answer(name: &str) -> Response<Body> {
    let Ok(Some(file)) = serve(name, CONFIG.clone()) else {
        return NativeFault(Fault::NotFound("file")).into_response();
    };
    reply::file(&file.content_type, POLICY, file.bytes)
}

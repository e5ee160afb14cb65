//! A page to read the API's description on, and to try it, with everything it needs: it works without internet.

use std::sync::{Arc, LazyLock};

use axum::body::Body;
use axum::extract::Path;
use axum::http::Response;
use axum::response::{IntoResponse, Redirect};
use utoipa_swagger_ui::{Config, serve};

use crate::domain::Fault;
use crate::http::extract::reply;
use crate::http::fault::NativeFault;

static CONFIG: LazyLock<Arc<Config<'static>>> =
    LazyLock::new(|| Arc::new(Config::from("/openapi.json").validator_url("none").persist_authorization(false)));

/// Nothing from anywhere else.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; font-src 'self'; \
                      img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'";

/// The page's files lie beside it: without the slash they would be looked for one level up.
pub async fn moved() -> Redirect {
    Redirect::permanent("/docs/")
}

/// The page.
pub async fn page() -> Response<Body> {
    answer("index.html")
}

/// One of its files.
pub async fn file(Path(name): Path<String>) -> Response<Body> {
    answer(&name)
}

fn answer(name: &str) -> Response<Body> {
    let Ok(Some(file)) = serve(name, CONFIG.clone()) else {
        return NativeFault(Fault::NotFound("file")).into_response();
    };
    reply::file(&file.content_type, POLICY, file.bytes)
}

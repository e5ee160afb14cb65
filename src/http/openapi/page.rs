//! A page to read the API's description on, and to try it, with everything it needs: it works without internet.

use std::sync::{Arc, LazyLock};

use axum::body::Body;
use axum::extract::Path;
use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderValue, Response};
use axum::response::{IntoResponse, Redirect};
use utoipa_swagger_ui::{Config, serve};

use crate::domain::Fault;
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
    let mut response = Response::new(Body::from(file.bytes.into_owned()));
    let headers = response.headers_mut();
    let kind = HeaderValue::from_str(&file.content_type);
    headers.insert(CONTENT_TYPE, kind.unwrap_or(HeaderValue::from_static("application/octet-stream")));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    response
}

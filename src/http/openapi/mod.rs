//! The OpenAPI 3.1 description of every REST route, collected while the routes are listed.

mod encoding;
pub mod security;

use std::future::{Ready, ready};
use std::sync::{Arc, LazyLock, OnceLock};

use axum::body::{Body, Bytes};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, Response};
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::security::SecurityRequirement;
use utoipa::openapi::{InfoBuilder, OpenApi as Document, OpenApiBuilder, Server};
use utoipa_axum::router::OpenApiRouter;

use crate::domain::settings::base_path::BasePath;

/// The introduction of the description.
const INTRODUCTION: &str = "\
Live presence for contact centres: events in, and the answers of three vendors' APIs out.

Every request is about the tenant of its credential, and of no other. One key works in every dialect, in the place where \
that dialect's clients put it. Errors have the shape of the dialect, with the true HTTP status; after 429 and 503 a \
request may be repeated when the seconds in `Retry-After` are over.

The header `Rollcall-Position` of an answer is the position of the tenant's journal that the answer has in it. A read with \
`Rollcall-Min-Position` waits for that position, so that it shows what was written before.";

/// The description at the root as JSON, built on first use.
static JSON: LazyLock<String> = LazyLock::new(|| json_at(&BasePath::default()));

/// Returns the description at the root as JSON.
pub fn json() -> &'static str {
    &JSON
}

/// Returns the description below a base path as JSON.
fn json_at(base: &BasePath) -> String {
    let mut document = document();
    // A path without a host: tools take that of the address from which they read the description.
    let url = if base.is_root() { String::from("/") } else { base.to_string() };
    document.servers = Some(vec![Server::new(url)]);
    // Serialising a description cannot fail.
    let mut text = document.to_pretty_json().unwrap_or_default();
    text.push('\n');
    text
}

/// Returns a handler that responds with the description below a base path.
pub fn served(base: &BasePath) -> impl Fn() -> Ready<Response<Body>> + Clone + Send + Sync + use<> {
    let (base, text) = (base.clone(), Arc::new(OnceLock::new()));
    move || {
        // Built on first use: a start does not wait for it.
        let text: &Bytes = text.get_or_init(|| match base.is_root() {
            true => Bytes::from_static(json().as_bytes()),
            false => Bytes::from(json_at(&base)),
        });
        let mut response = Response::new(Body::from(text.clone()));
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        ready(response)
    }
}

/// Builds the description of every REST route, without its servers.
pub fn document() -> Document {
    let info =
        InfoBuilder::new().title("rollcall").version(env!("CARGO_PKG_VERSION")).description(Some(INTRODUCTION)).build();
    let mut document = OpenApiBuilder::new().info(info).components(Some(security::schemes())).build();
    document.merge(super::described_routes().into_openapi());
    document.merge(super::desk_routes().into_openapi());
    document.merge(super::live_routes().into_openapi());
    document.merge(super::graphql_description());
    encoding::describe_forms(&mut document);
    document
}

/// Describes routes: `tag` names them and the errors of their dialect, and each takes any one of `credentials`.
pub fn describe<S>(tag: Document, credentials: &[&str], routes: OpenApiRouter<S>) -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
{
    let names = tag.tags.as_ref().map(|tags| tags.iter().map(|tag| tag.name.clone()).collect::<Vec<_>>());
    let any_of: Vec<_> = credentials.iter().map(|name| SecurityRequirement::new(*name, Vec::<String>::new())).collect();
    let mut described = OpenApiRouter::with_openapi(tag).merge(routes);
    for operation in described.get_openapi_mut().paths.paths.values_mut().flat_map(operations) {
        operation.tags = names.clone();
        operation.security = Some(any_of.clone());
    }
    described
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [&mut item.get, &mut item.put, &mut item.post, &mut item.delete, &mut item.patch].into_iter().flatten()
}

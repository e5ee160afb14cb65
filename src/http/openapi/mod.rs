//! The OpenAPI 3.1 description of every REST route, merged from the dialects' descriptions.

use std::sync::LazyLock;

use axum::body::Body;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, Response};
use utoipa::OpenApi;
use utoipa::openapi::path::PathItem;
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::{Components, InfoBuilder, OpenApi as Document, OpenApiBuilder, Paths};

use super::{convoso, health, iadvize_rest, native, oauth, vonage};

// Names of the security schemes, one for each way to carry a credential.
const BEARER: &str = "bearer";
const BASIC: &str = "basic";
const API_KEY: &str = "api_key";
const KEY_IN_QUERY: &str = "key";
const AUTH_TOKEN: &str = "auth_token";
const ADMINISTRATOR: &str = "administrator";

/// The description as JSON, built on first use.
static JSON: LazyLock<String> = LazyLock::new(|| {
    // Serialising a description cannot fail.
    let mut text = document().to_pretty_json().unwrap_or_default();
    text.push('\n');
    text
});

/// Returns the description as JSON.
pub fn json() -> &'static str {
    &JSON
}

/// Responds with the description.
pub async fn openapi() -> Response<Body> {
    let mut response = Response::new(Body::from(json()));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// Builds the description of every REST route.
pub fn document() -> Document {
    let info = InfoBuilder::new()
        .title("rollcall")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some("Live presence for contact centres: events in, and three vendors' REST dialects out."))
        .build();
    let mut document = OpenApiBuilder::new().info(info).components(Some(credentials())).build();
    let rest = [API_KEY, KEY_IN_QUERY, BASIC, BEARER];
    add(&mut document, "", iadvize_rest::Description::openapi(), &rest);
    add(&mut document, "/api/2", iadvize_rest::Description::openapi(), &rest);
    add(&mut document, "", convoso::Description::openapi(), &[AUTH_TOKEN]);
    add(&mut document, "/v1", convoso::Description::openapi(), &[AUTH_TOKEN]);
    add(&mut document, "", vonage::Description::openapi(), &[BEARER]);
    add(&mut document, "", native::Description::openapi(), &[BEARER, API_KEY]);
    add(&mut document, "", native::Desks::openapi(), &[BEARER, API_KEY, BASIC, KEY_IN_QUERY]);
    add(&mut document, "", native::DeskTickets::openapi(), &[BEARER, API_KEY]);
    add(&mut document, "", native::Webhooks::openapi(), &[BEARER, API_KEY, BASIC, KEY_IN_QUERY]);
    add(&mut document, "", native::Administration::openapi(), &[ADMINISTRATOR]);
    add(&mut document, "", oauth::Description::openapi(), &[]);
    add(&mut document, "", oauth::Bearers::openapi(), &[BEARER]);
    add(&mut document, "", health::Description::openapi(), &[]);
    document
}

/// Adds one dialect's routes below `base`, tagged with the dialect's name. Each route takes any one of the credentials.
fn add(document: &mut Document, base: &str, mut part: Document, credentials: &[&str]) {
    let tag = part.tags.as_ref().and_then(|tags| tags.first()).map(|tag| tag.name.clone());
    let requirements: Vec<_> =
        credentials.iter().map(|name| SecurityRequirement::new(*name, Vec::<String>::new())).collect();
    let mut paths = Paths::new();
    for (path, mut item) in std::mem::take(&mut part.paths.paths) {
        for operation in operations(&mut item) {
            operation.tags = tag.clone().map(|tag| vec![tag]);
            operation.security = Some(requirements.clone());
            // Operation ids are unique: the same handler below another base gets a suffix.
            let id = operation.operation_id.take().unwrap_or_default();
            operation.operation_id = Some(format!("{id}{}", base.replace('/', "_")));
        }
        paths.paths.insert(format!("{base}{path}"), item);
    }
    part.paths = paths;
    document.merge(part);
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut utoipa::openapi::path::Operation> {
    [&mut item.get, &mut item.put, &mut item.post, &mut item.delete, &mut item.patch].into_iter().flatten()
}

fn credentials() -> Components {
    let key = |name: &str, description: &str| ApiKeyValue::with_description(name, description);
    let http = |scheme| SecurityScheme::Http(HttpBuilder::new().scheme(scheme).build());
    let mut components = Components::new();
    components.add_security_scheme(BEARER, http(HttpAuthScheme::Bearer));
    components.add_security_scheme(ADMINISTRATOR, http(HttpAuthScheme::Bearer));
    components.add_security_scheme(BASIC, http(HttpAuthScheme::Basic));
    components.add_security_scheme(API_KEY, SecurityScheme::ApiKey(ApiKey::Header(key("X-API-Key", "A tenant's key"))));
    components.add_security_scheme(KEY_IN_QUERY, SecurityScheme::ApiKey(ApiKey::Query(key("key", "A tenant's key"))));
    components
        .add_security_scheme(AUTH_TOKEN, SecurityScheme::ApiKey(ApiKey::Query(key("auth_token", "A tenant's key"))));
    components
}

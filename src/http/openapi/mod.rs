//! The OpenAPI 3.1 description of every REST route, collected while the routes are listed.

mod encoding;

use std::sync::LazyLock;

use axum::body::Body;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, Response};
use utoipa::openapi::path::PathItem;
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::{Components, InfoBuilder, OpenApi as Document, OpenApiBuilder};
use utoipa_axum::router::OpenApiRouter;

/// `Authorization: Bearer` with a key or token.
pub const BEARER: &str = "bearer";
/// `Authorization: Basic` with a key as the user name.
pub const BASIC: &str = "basic";
/// `X-API-Key`.
pub const API_KEY: &str = "api_key";
/// `?key=`.
pub const KEY_IN_QUERY: &str = "key";
/// `auth_token` in the query or the body.
pub const AUTH_TOKEN: &str = "auth_token";
/// `Authorization: Bearer` with the administrator's token.
pub const ADMINISTRATOR: &str = "administrator";

/// `Authorization: Bearer` with the token that reads the metrics.
pub const METRICS: &str = "metrics";

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
    document.merge(super::described_routes().into_openapi());
    document.merge(super::desk_routes().into_openapi());
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
        encoding::describe_nested(operation);
    }
    described
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut utoipa::openapi::path::Operation> {
    [&mut item.get, &mut item.put, &mut item.post, &mut item.delete, &mut item.patch].into_iter().flatten()
}

fn credentials() -> Components {
    let key = |name: &str, description: &str| ApiKeyValue::with_description(name, description);
    let http = |scheme, description: &str| {
        SecurityScheme::Http(HttpBuilder::new().scheme(scheme).description(Some(description)).build())
    };
    let mut components = Components::new();
    components.add_security_scheme(BEARER, http(HttpAuthScheme::Bearer, "A tenant's key, or a token"));
    components.add_security_scheme(ADMINISTRATOR, http(HttpAuthScheme::Bearer, "The administrator's token"));
    components
        .add_security_scheme(METRICS, http(HttpAuthScheme::Bearer, "The token of the metrics, or the administrator's"));
    components
        .add_security_scheme(BASIC, http(HttpAuthScheme::Basic, "A tenant's key as the user name, with any password"));
    components.add_security_scheme(
        API_KEY,
        SecurityScheme::ApiKey(ApiKey::Header(key("X-API-Key", "A tenant's key, or a token"))),
    );
    components.add_security_scheme(
        KEY_IN_QUERY,
        SecurityScheme::ApiKey(ApiKey::Query(key("key", "A tenant's key, or a token"))),
    );
    components.add_security_scheme(
        AUTH_TOKEN,
        SecurityScheme::ApiKey(ApiKey::Query(key("auth_token", "A tenant's key, or a token; also in the body"))),
    );
    components
}

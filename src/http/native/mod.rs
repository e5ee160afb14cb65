//! Our own API: events and webhooks in, desks that stay connected, the directory, tenants with their settings, and keys.
//! Errors are RFC 9457 problems.

pub mod desk;
pub mod directory;
pub mod events;
pub mod keys;
pub mod limits;
pub mod settings;
pub mod tenants;
pub mod webhooks;

use axum::http::HeaderMap;
use serde::de::{DeserializeOwned, IgnoredAny};
use utoipa::OpenApi;

use super::extract::{MediaType, credential, media_type};
use super::fault::{Details, NativeFault};
use super::services::Services;
use crate::auth::{Admin, Caller};
use crate::domain::ids::parse_guid;
use crate::domain::object::Object;
use crate::domain::{Fault, TenantId};

/// A tenant's routes, for the API's description.
#[derive(OpenApi)]
#[openapi(
    paths(events::post_events, directory::put_directory, directory::get_directory),
    components(schemas(Details)),
    tags((name = "Events and directory", description = "What feeds the store"))
)]
pub struct Description;

/// Desks that stay connected, likewise.
#[derive(OpenApi)]
#[openapi(
    paths(desk::connect),
    tags((name = "Desks", description = "Desks that stay connected"))
)]
pub struct Desks;

/// What browsers connect them with, likewise.
#[derive(OpenApi)]
#[openapi(paths(desk::tickets::issue_ticket), tags((name = "Desks", description = "Desks that stay connected")))]
pub struct DeskTickets;

/// What vendors post by themselves, likewise.
#[derive(OpenApi)]
#[openapi(
    paths(webhooks::iadvize::post_webhook),
    tags((name = "Webhooks", description = "What vendors post by themselves"))
)]
pub struct Webhooks;

/// The administrator's routes, likewise.
#[derive(OpenApi)]
#[openapi(
    paths(
        tenants::create_tenant,
        settings::get_tenant,
        settings::set_settings,
        limits::get_limits,
        limits::put_limits,
        keys::create_key,
        keys::list_keys,
        keys::revoke_key,
    ),
    tags((name = "Tenants and keys", description = "For the administrator"))
)]
pub struct Administration;

/// Answers a method that a route does not take.
pub async fn wrong_method() -> NativeFault {
    NativeFault(Fault::MethodNotAllowed)
}

/// Answers a path that is no route.
pub async fn unknown_route() -> NativeFault {
    NativeFault(Fault::NotFound("route"))
}

/// Who asks: `Authorization: Bearer`, or `X-API-Key`.
fn caller(services: &Services, headers: &HeaderMap) -> Result<Caller, Fault> {
    services.caller(credential::bearer(headers).or_else(|| credential::api_key(headers)))
}

/// The administrator, by `Authorization: Bearer`.
fn admin(services: &Services, headers: &HeaderMap) -> Result<Admin, Fault> {
    services.admin(credential::bearer(headers))
}

/// A tenant as the administrator names it; what is no id names nobody.
fn tenant_id(text: &str) -> Result<TenantId, Fault> {
    parse_guid(text).map(TenantId).ok_or(Fault::NotFound("tenant"))
}

/// Reads a JSON document: 415 for another type, 400 for what is not JSON, 422 with a pointer for what does not fit.
fn document<T: DeserializeOwned>(headers: &HeaderMap, body: &[u8]) -> Result<T, Fault> {
    if media_type(headers) != MediaType::Json {
        return Err(Fault::UnsupportedMediaType("application/json"));
    }
    let mut reader = serde_json::Deserializer::from_slice(body);
    let Object(document): Object<T> = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let pointer = pointer(error.path());
        let error = error.into_inner();
        let malformed = || Fault::Malformed(format!("the body is not JSON: {error}"));
        // What is wrong may be one value, or the text as a whole: a member given twice makes all of it ambiguous.
        match serde_json::from_slice::<IgnoredAny>(body) {
            Ok(_) if !error.to_string().starts_with("duplicate field") => Fault::refused(pointer, error.to_string()),
            _ => malformed(),
        }
    })?;
    reader.end().map_err(|error| Fault::Malformed(format!("the body is not JSON: {error}")))?;
    Ok(document)
}

/// The JSON pointer of a path.
fn pointer(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    let mut pointer = String::new();
    for segment in path {
        match segment {
            Segment::Seq { index } => pointer.push_str(&format!("/{index}")),
            Segment::Map { key } => pointer.push_str(&format!("/{}", key.replace('~', "~0").replace('/', "~1"))),
            Segment::Enum { variant } => pointer.push_str(&format!("/{variant}")),
            Segment::Unknown => {}
        }
    }
    pointer
}

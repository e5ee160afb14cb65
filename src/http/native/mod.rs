//! The native API: events and webhooks, desk connections, the directory, the breakdown and its event stream, log-ins, and
//! the administration of tenants, settings, limits and keys. Errors are RFC 9457 problem details.

pub mod breakdown;
pub mod desk;
pub mod directory;
pub mod events;
pub mod keys;
pub mod limits;
pub mod live;
pub mod log_ins;
pub mod rejections;
mod scope_name;
pub mod self_check;
pub mod settings;
pub mod state;
pub mod tenants;
pub mod wallboards;
pub mod webhooks;

use std::borrow::Cow;

use axum::extract::{FromRequest, Request};
use axum::http::HeaderMap;
use axum::http::request::Parts;
use serde::de::{DeserializeOwned, IgnoredAny};
use utoipa::{IntoParams, OpenApi};
use uuid::{Uuid, uuid};

use super::extract::body::DIALECT_LIMIT;
use super::extract::{self, Credential, MediaType, credential, media_type, read_body};
use super::fault::{Details, NativeFault};
use crate::domain::ids::parse_guid;
use crate::domain::json::Object;
use crate::domain::{Fault, TenantId};

/// The OpenAPI tag of events and the directory.
#[derive(OpenApi)]
#[openapi(
    components(schemas(Details)),
    tags((name = "Events and directory", description = "Events and reference data of a tenant"))
)]
pub struct Description;

/// The OpenAPI tag of the breakdown.
#[derive(OpenApi)]
#[openapi(tags((name = "Breakdown", description = "Users by the reason why they can or cannot take a conversation")))]
pub struct Counted;

/// The OpenAPI tag of wallboards and their links.
#[derive(OpenApi)]
#[openapi(tags((name = "Wallboards", description = "Boards for screens, as data, and links to them")))]
pub struct Wallboards;

/// The OpenAPI tag of desks and their tickets.
#[derive(OpenApi)]
#[openapi(tags((name = "Desks", description = "Persistent connections of desks")))]
pub struct Desks;

/// The OpenAPI tag of live queries.
#[derive(OpenApi)]
#[openapi(tags((name = "Live queries", description = "The breakdown as events, whenever it differs")))]
pub struct Live;

/// The OpenAPI tag of webhooks.
#[derive(OpenApi)]
#[openapi(tags((name = "Webhooks", description = "Events posted by vendors")))]
pub struct Webhooks;

/// The OpenAPI tag of log-ins.
#[derive(OpenApi)]
#[openapi(tags((name = "Log-ins", description = "Users who are logged in with a password")))]
pub struct LogIns;

/// The OpenAPI tag of the administrator's routes.
#[derive(OpenApi)]
#[openapi(tags((name = "Tenants and keys", description = "For the administrator")))]
pub struct Administration;

/// The tenant of the description's examples.
const EXAMPLE_TENANT: Uuid = uuid!("018f2f6e-0000-7000-8000-000000000001");
/// The key of the description's examples.
const EXAMPLE_KEY: Uuid = uuid!("018f2f6e-0000-7000-8000-000000000002");

/// The problem of a value that is one of a few texts, and is not a text.
const NO_NAME: &str = "must be a text: the name of one of the values that the reference lists";

/// The path of a tenant's routes, for the OpenAPI description.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "only its shape is of interest: the path is parsed by hand")]
struct TenantPath {
    /// The tenant's id.
    #[param(example = "018f2f6e-0000-7000-8000-000000000001")]
    tenant: Uuid,
}

/// A caller with the scope of `P`.
pub type Authenticated<P> = extract::Authenticated<HeaderCredential, P>;

/// `Authorization: Bearer` or `X-API-Key`.
pub enum HeaderCredential {}

impl Credential for HeaderCredential {
    type Rejection = NativeFault;

    fn read(parts: &mut Parts) -> Result<Option<Cow<'_, str>>, Fault> {
        let credential = credential::bearer(&parts.headers).or_else(|| credential::api_key(&parts.headers));
        Ok(credential.map(Cow::Borrowed))
    }
}

/// Parses the id of a tenant. A text that is not an id is 404, like the id of an unknown tenant.
fn tenant_id(text: &str) -> Result<TenantId, Fault> {
    parse_guid(text).map(TenantId).ok_or(Fault::NotFound("tenant"))
}

/// Turns the fault of a tenant that was deleted meanwhile, which is meant for its own callers, into that of an unknown
/// one.
fn not_deleted(fault: Fault) -> Fault {
    if fault == Fault::CredentialInvalid { Fault::NotFound("tenant") } else { fault }
}

/// Parses a JSON document: 415 for another content type, 400 for a body that is not JSON, 422 with a JSON pointer for a
/// value that does not fit.
fn document<T: DeserializeOwned>(headers: &HeaderMap, body: &[u8]) -> Result<T, Fault> {
    if media_type(headers) != MediaType::Json {
        return Err(Fault::UnsupportedMediaType("application/json"));
    }
    let mut reader = serde_json::Deserializer::from_slice(body);
    let Object(document): Object<T> = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let pointer = pointer(error.path());
        let error = error.into_inner();
        let malformed = || Fault::Malformed(format!("the body is not JSON: {error}"));
        // One value that does not fit is 422. Invalid JSON is 400, and so is a duplicate member, which makes the text
        // ambiguous as a whole.
        match serde_json::from_slice::<IgnoredAny>(body) {
            Ok(_) if error.to_string().starts_with("duplicate field") => malformed(),
            // What the parser says of a value in the place of a name, such as null.
            Ok(_) if error.to_string().starts_with("expected value") => Fault::refused(pointer, NO_NAME),
            Ok(_) => Fault::refused(pointer, error.to_string()),
            _ => malformed(),
        }
    })?;
    reader.end().map_err(|error| Fault::Malformed(format!("the body is not JSON: {error}")))?;
    Ok(document)
}

/// The JSON document in the body of a request, as [`document`] parses it.
pub struct Document<T>(pub T);

impl<S: Sync, T: DeserializeOwned> FromRequest<S> for Document<T> {
    type Rejection = NativeFault;

    async fn from_request(request: Request, _: &S) -> Result<Self, NativeFault> {
        let (parts, body) = request.into_parts();
        let body = read_body(&parts.headers, body, DIALECT_LIMIT).await?;
        Ok(Document(document(&parts.headers, &body)?))
    }
}

/// Formats a path as a JSON pointer (RFC 6901).
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

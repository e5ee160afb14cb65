//! Vonage Contact Center's dialect (docs/reference/vonage.md): an API version in `Accept`, and three shapes of errors.

pub mod agents;
pub mod agents_availability;
pub mod count_agents;
mod members;
pub mod presence_summary;

use std::borrow::Cow;
use std::collections::BTreeMap;

use axum::body::Body;
use axum::extract::FromRequestParts;
use axum::http::header::ACCEPT;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Response};
use axum::response::IntoResponse;
use serde_json::{Value, json};
use utoipa::openapi::{ObjectBuilder, RefOr, Response as Described, Schema};
use utoipa::{IntoResponses, OpenApi, PartialSchema, ToSchema};

use super::describe;
use super::extract::{self, Credential, credential, reply};
use crate::domain::Fault;

const JSON: &str = "application/json; charset=utf-8";

/// The OpenAPI tag of these routes.
#[derive(OpenApi)]
#[openapi(
    components(schemas(Failure)),
    tags((name = "Vonage Contact Center", description = "Agents' presences and availability, as in Vonage's API. The version of the API is the media type of the answers, which tools send as `Accept`"))
)]
pub struct Description;

/// The shapes of this dialect's errors in one schema: a message, a code with a message, or a list of messages.
struct Failure;

impl PartialSchema for Failure {
    fn schema() -> RefOr<Schema> {
        let texts = ["message", "title", "detail"];
        let object = texts.into_iter().fold(ObjectBuilder::new(), |o, name| o.property(name, describe::text()));
        let object = object.property("status", describe::whole()).property("error", ObjectBuilder::new());
        let object = object.property("errors", describe::list(ObjectBuilder::new()));
        object.property("SkillNames", describe::list(describe::text())).into()
    }
}

impl ToSchema for Failure {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("VonageFailure")
    }
}

/// An error in this dialect.
#[derive(Debug)]
pub enum VonageFault {
    /// An error with its own body; always HTTP 400.
    Body(Value),
    /// Any other fault, with the fault's own status: `{"message":…}`.
    Fault(Fault),
}

impl From<Fault> for VonageFault {
    fn from(fault: Fault) -> Self {
        VonageFault::Fault(fault)
    }
}

impl VonageFault {
    /// Returns the error for one invalid value.
    pub fn validation(path: impl Into<String>, message: impl Into<String>) -> Self {
        let (path, message) = (path.into(), message.into());
        VonageFault::Body(json!({
            "status": 400,
            "title": "One or more validation errors occurred.",
            "errors": [{ "message": message, "path": path }],
        }))
    }
}

impl IntoResponse for VonageFault {
    fn into_response(self) -> Response<Body> {
        match self {
            VonageFault::Body(body) => reply::json(400, JSON, &body),
            VonageFault::Fault(fault) => {
                let mut body = json!({ "message": text(&fault) });
                // The vendor's sentence names no member.
                if let Fault::Malformed(detail) = &fault {
                    body["detail"] = Value::from(detail.as_str());
                }
                reply::retry_after(reply::json(reply::status(&fault), JSON, &body), &fault)
            }
        }
    }
}

fn text(fault: &Fault) -> String {
    match fault {
        Fault::CredentialMissing | Fault::CredentialInvalid => {
            String::from("Authorization has been denied for this request.")
        }
        Fault::Forbidden => String::from("Access to this resource is forbidden."),
        Fault::UnsupportedMediaType(_) => String::from("Unsupported media type."),
        Fault::Malformed(_) => String::from("The request is invalid."),
        other => other.to_string(),
    }
}

impl IntoResponses for VonageFault {
    fn responses() -> BTreeMap<String, RefOr<Described>> {
        describe::faults::<Failure, VonageFault>(JSON, &[400, 401, 403, 404, 408, 413, 415, 429, 500, 503])
    }
}

/// A caller with the scope of `P`.
pub type Authenticated<P> = extract::Authenticated<BearerToken, P>;

/// `Authorization: Bearer`.
pub enum BearerToken {}

impl Credential for BearerToken {
    type Rejection = VonageFault;

    fn read(parts: &mut Parts) -> Result<Option<Cow<'_, str>>, Fault> {
        Ok(credential::bearer(&parts.headers).map(Cow::Borrowed))
    }
}

/// A request for version 1 of the API. An argument after the caller, since the vendor checks the version last.
pub struct Version1;

impl<S: Sync> FromRequestParts<S> for Version1 {
    type Rejection = VonageFault;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, VonageFault> {
        check_version(&parts.headers, parts.uri.path()).map(|()| Version1)
    }
}

/// Rejects requests unless `Accept` includes version 1: `application/vnd.newvoicemedia.v1+json`.
fn check_version(headers: &HeaderMap, path: &str) -> Result<(), VonageFault> {
    let accepted = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok()).flat_map(|v| v.split(','));
    let versions = accepted.filter_map(|part| {
        let essence = part.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let version = essence.strip_prefix("application/vnd.newvoicemedia.v")?.strip_suffix("+json")?.to_owned();
        (!version.is_empty() && version.bytes().all(|b| b.is_ascii_digit())).then_some(version)
    });
    let mut other = None;
    for version in versions {
        if version == "1" {
            return Ok(());
        }
        other = Some(version);
    }
    let (code, message) = match other {
        None => ("ApiVersionUnspecified", String::from("An API version is required, but was not specified.")),
        Some(version) => (
            "UnsupportedApiVersion",
            format!(
                "The HTTP resource that matches the request URI '{path}' does not support the API version '{version}'."
            ),
        ),
    };
    Err(VonageFault::Body(json!({ "error": { "code": code, "message": message } })))
}

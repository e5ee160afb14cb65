//! Vonage Contact Center's dialect (CONTRACTS.md 5): a version in `Accept`, and three shapes of errors.

pub mod agents;
pub mod agents_availability;
pub mod count_agents;
pub mod presence_summary;

use axum::body::Body;
use axum::http::header::ACCEPT;
use axum::http::{HeaderMap, Response};
use axum::response::IntoResponse;
use serde_json::{Value, json};

use super::extract::{credential, reply};
use super::services::Services;
use crate::auth::Caller;
use crate::domain::{Fault, Scope};

const JSON: &str = "application/json; charset=utf-8";

/// Why a request failed, in this dialect.
#[derive(Debug)]
pub enum VonageFault {
    /// An error with a body of its own; always HTTP 400.
    Body(Value),
    /// Any other: `{"message":…}`.
    Fault(Fault),
}

impl From<Fault> for VonageFault {
    fn from(fault: Fault) -> Self {
        VonageFault::Fault(fault)
    }
}

impl VonageFault {
    /// One value that cannot be used.
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
                let body = json!({ "message": text(&fault) });
                reply::retry_after(reply::json(fault.status(), JSON, &body), &fault)
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

/// Answers a method that a route does not take.
pub async fn wrong_method() -> VonageFault {
    VonageFault::Fault(Fault::MethodNotAllowed)
}

/// Who asks, and in a version that is spoken here: in the order in which the vendor checks.
fn admit(services: &Services, headers: &HeaderMap, scope: Scope, path: &str) -> Result<Caller, VonageFault> {
    let caller = authorise(services, headers, scope)?;
    check_version(headers, path)?;
    Ok(caller)
}

/// Who asks, in whatever version.
fn authorise(services: &Services, headers: &HeaderMap, scope: Scope) -> Result<Caller, Fault> {
    let caller = services.ring().caller(credential::bearer(headers))?;
    caller.require(scope)?;
    Ok(caller)
}

/// `Accept` must name version 1: `application/vnd.newvoicemedia.v1+json`, among others or alone.
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

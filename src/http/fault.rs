//! Errors of the native dialect: RFC 9457 problem details.

use std::collections::BTreeMap;

use axum::body::Body;
use axum::http::Response;
use axum::response::IntoResponse;
use serde::Serialize;
use utoipa::openapi::{RefOr, Response as Described};
use utoipa::{IntoResponses, ToSchema};

use super::describe;
use super::extract::reply;
use crate::domain::Fault;
use crate::domain::directory::Problem;

/// Problem details (RFC 9457).
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub(super) struct Details<'a> {
    r#type: String,
    title: &'static str,
    status: u16,
    detail: String,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    #[schema(value_type = Option<Vec<Object>>)]
    errors: &'a [Problem],
}

/// Most problems listed in one response.
pub const MAX_PROBLEMS: usize = 100;

/// A fault that is answered as problem details.
#[derive(Debug)]
pub struct NativeFault(pub Fault);

impl From<Fault> for NativeFault {
    fn from(fault: Fault) -> Self {
        NativeFault(fault)
    }
}

impl IntoResponse for NativeFault {
    fn into_response(self) -> Response<Body> {
        let NativeFault(fault) = self;
        let (code, title) = name(&fault);
        let errors = match &fault {
            Fault::Refused(problems) => &problems[..problems.len().min(MAX_PROBLEMS)],
            _ => &[],
        };
        let details = Details {
            r#type: format!("urn:rollcall:problem:{code}"),
            title,
            status: reply::status(&fault),
            detail: fault.to_string(),
            errors,
        };
        let response = reply::json(reply::status(&fault), "application/problem+json", &details);
        let mut response = reply::retry_after(response, &fault);
        if matches!(fault, Fault::CredentialMissing | Fault::CredentialInvalid) {
            let challenge = axum::http::HeaderValue::from_static("Bearer");
            response.headers_mut().insert(axum::http::header::WWW_AUTHENTICATE, challenge);
        }
        response
    }
}

impl IntoResponses for NativeFault {
    fn responses() -> BTreeMap<String, RefOr<Described>> {
        let statuses = [400, 401, 403, 404, 408, 409, 413, 415, 422, 429, 500, 503];
        describe::faults::<Details<'_>, NativeFault>("application/problem+json", &statuses)
    }
}

/// The faults of a request with `If-Match`, besides the others, for the OpenAPI description.
pub struct VersionFault;

impl IntoResponses for VersionFault {
    fn responses() -> BTreeMap<String, RefOr<Described>> {
        describe::faults::<Details<'_>, NativeFault>("application/problem+json", &[412])
    }
}

/// Returns the end of a problem's `type`, which is stable for clients, and its title.
const fn name(fault: &Fault) -> (&'static str, &'static str) {
    match fault {
        Fault::CredentialMissing => ("credential-missing", "Credential missing"),
        Fault::CredentialInvalid => ("credential-invalid", "Credential invalid"),
        Fault::Forbidden => ("forbidden", "Forbidden"),
        Fault::NotFound(_) => ("not-found", "Not found"),
        Fault::Malformed(_) => ("malformed", "Malformed request"),
        Fault::Invalid { .. } => ("invalid-value", "Invalid value"),
        Fault::Refused(_) => ("document-refused", "Document refused"),
        Fault::Conflict(_) => ("conflict", "Conflict"),
        Fault::PreconditionFailed(_) => ("precondition-failed", "Precondition failed"),
        Fault::TooLarge(_) => ("too-large", "Too large"),
        Fault::UnsupportedMediaType(_) | Fault::UnsupportedEncoding(_) => {
            ("unsupported-media-type", "Unsupported media type")
        }
        Fault::TooMany { .. } => ("too-many", "Too many requests"),
        Fault::MethodNotAllowed => ("method-not-allowed", "Method not allowed"),
        Fault::Unavailable(_) => ("unavailable", "Unavailable"),
        Fault::TimedOut => ("timed-out", "Timed out"),
        Fault::Internal => ("internal", "Internal error"),
    }
}

//! Convoso's dialect (docs/reference/convoso.md): `{"success":…}`, and the vendor's own codes for invalid ids.

pub mod agent_monitor;
mod search;
pub mod user_activity;

use std::collections::BTreeMap;

use axum::body::Body;
use axum::http::Response;
use axum::response::IntoResponse;
use serde::Serialize;
use utoipa::openapi::{RefOr, Response as Described};
use utoipa::{IntoResponses, OpenApi, ToSchema};

use super::describe;
use super::extract::reply;
use crate::domain::Fault;

const JSON: &str = "application/json";

/// The OpenAPI tag of these routes.
#[derive(OpenApi)]
#[openapi(
    tags((name = "Convoso", description = "Agents logged in and available, as Convoso's API counts them. Each route is also below `/v1`, where the vendor's clients expect it"))
)]
pub struct Description;

/// An error response. Clients of the vendor read `text`, others `error`: both are the same.
#[derive(Serialize, ToSchema)]
#[schema(as = ConvosoFailure)]
pub struct Failure<'a> {
    success: bool,
    /// The vendor's code where it has one, otherwise the HTTP status.
    code: u16,
    text: &'a str,
    error: &'a str,
}

/// The body of a response with HTTP 200: the result, or a business error.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub enum OrFailure<T> {
    /// The result.
    Answer(T),
    /// A business error, with `success` false and a code.
    Failure(Failure<'static>),
}

/// An error in this dialect.
#[derive(Debug)]
pub enum ConvosoFault {
    /// A business error: HTTP 200 with the vendor's code and message.
    Business(u16, &'static str),
    /// Any other fault, with the fault's own status.
    Fault(Fault),
}

impl From<Fault> for ConvosoFault {
    fn from(fault: Fault) -> Self {
        ConvosoFault::Fault(fault)
    }
}

impl IntoResponse for ConvosoFault {
    fn into_response(self) -> Response<Body> {
        let failure =
            |status, code, text: &str| reply::json(status, JSON, &Failure { success: false, code, text, error: text });
        match self {
            ConvosoFault::Business(code, text) => failure(200, code, text),
            ConvosoFault::Fault(fault) => {
                let status = reply::status(&fault);
                reply::retry_after(failure(status, code(&fault).unwrap_or(status), &text(&fault)), &fault)
            }
        }
    }
}

/// Returns the vendor's code of a fault, if it has one other than the HTTP status.
const fn code(fault: &Fault) -> Option<u16> {
    match fault {
        Fault::CredentialMissing | Fault::CredentialInvalid => Some(5001),
        _ => None,
    }
}

fn text(fault: &Fault) -> String {
    match fault {
        Fault::CredentialMissing => String::from("Missing authentication token"),
        Fault::CredentialInvalid => String::from("Invalid authentication token"),
        Fault::Forbidden => String::from("Insufficient permissions for this operation"),
        Fault::Internal => String::from("Internal server error"),
        other => other.to_string(),
    }
}

impl IntoResponses for ConvosoFault {
    fn responses() -> BTreeMap<String, RefOr<Described>> {
        describe::faults::<Failure<'_>, ConvosoFault>(JSON, &[400, 401, 403, 408, 413, 415, 429, 500, 503])
    }
}

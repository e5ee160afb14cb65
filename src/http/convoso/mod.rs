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
    tags((name = "Convoso", description = "Agents logged in and available, as Convoso's API counts them; also below /v1"))
)]
pub struct Description;

/// An error response.
#[derive(Serialize, ToSchema)]
#[schema(as = ConvosoFailure)]
pub struct Failure {
    success: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<u16>,
    error: String,
}

/// The body of a response with HTTP 200: the result, or a business error.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub enum OrFailure<T> {
    /// The result.
    Answer(T),
    /// A business error, with `success` false and a code.
    Failure(Failure),
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
        match self {
            ConvosoFault::Business(code, error) => {
                let failure = Failure { success: false, code: Some(code), error: error.to_owned() };
                reply::json(200, JSON, &failure)
            }
            ConvosoFault::Fault(fault) => {
                let failure = Failure { success: false, code: None, error: text(&fault) };
                reply::retry_after(reply::json(reply::status(&fault), JSON, &failure), &fault)
            }
        }
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
        describe::faults::<Failure>(JSON, &[400, 401, 403, 413, 415, 429, 500, 503])
    }
}

/// Answers requests with a method that the route does not support.
pub async fn wrong_method() -> ConvosoFault {
    ConvosoFault::Fault(Fault::MethodNotAllowed)
}

//! Convoso's dialect (CONTRACTS.md 4): `{"success":…}`, and its own codes for what is wrong with an id.

pub mod agent_monitor;
mod search;
pub mod user_activity;

use axum::body::Body;
use axum::http::Response;
use axum::response::IntoResponse;
use serde::Serialize;

use super::extract::reply;
use crate::domain::Fault;

const JSON: &str = "application/json";

#[derive(Serialize)]
struct Failure {
    success: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<u16>,
    error: String,
}

/// Why a request failed, in this dialect.
#[derive(Debug)]
pub enum ConvosoFault {
    /// An error of the vendor's business: HTTP 200, and a code.
    Business(u16, &'static str),
    /// Any other.
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
                reply::retry_after(reply::json(fault.status(), JSON, &failure), &fault)
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

/// Answers a method that a route does not take.
pub async fn wrong_method() -> ConvosoFault {
    ConvosoFault::Fault(Fault::MethodNotAllowed)
}

//! iAdvize's REST dialect (CONTRACTS.md 3): `meta` and `data` around every answer, whatever the HTTP status.

pub mod filters;
pub mod get_live;
pub mod list_live;
pub mod row;
pub mod set_live;

use std::borrow::Cow;

use axum::body::Body;
use axum::http::{HeaderMap, Response};
use axum::response::IntoResponse;
use serde::Serialize;

use super::extract::{Params, credential, reply};
use super::services::Services;
use crate::auth::Caller;
use crate::domain::Fault;

const JSON: &str = "application/json";

#[derive(Serialize)]
struct Meta<'a> {
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<Cow<'a, str>>,
}

#[derive(Serialize)]
struct Envelope<'a, T> {
    meta: Meta<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<T>,
}

/// An answer with data.
fn data<T: Serialize>(data: T) -> Response<Body> {
    reply::json(200, JSON, &Envelope { meta: Meta { status: "success", message: None }, data: Some(data) })
}

/// An answer with a message.
fn message(status: u16, verdict: &'static str, message: &str) -> Response<Body> {
    let meta = Meta { status: verdict, message: Some(Cow::Borrowed(message)) };
    reply::json(status, JSON, &Envelope::<()> { meta, data: None })
}

/// Why a request failed, in this dialect.
#[derive(Debug)]
pub enum RestFault {
    /// There is no operator by the id that the caller gave.
    UnknownOperator(String),
    /// A field that is needed is not there.
    Missing(&'static str),
    /// Any other.
    Fault(Fault),
}

impl From<Fault> for RestFault {
    fn from(fault: Fault) -> Self {
        RestFault::Fault(fault)
    }
}

impl IntoResponse for RestFault {
    fn into_response(self) -> Response<Body> {
        match self {
            RestFault::UnknownOperator(id) => message(404, "fail", &format!("Unknown 'operator' with 'id' {id}.")),
            RestFault::Missing(field) => message(400, "fail", &format!("Field '{field}' is missing.")),
            // One word for whoever may not ask: the vendor does not tell missing, wrong and insufficient keys apart.
            RestFault::Fault(Fault::CredentialMissing | Fault::CredentialInvalid | Fault::Forbidden) => {
                message(403, "error", "Forbidden")
            }
            RestFault::Fault(fault) => {
                // Too many requests are the platform's to complain of, as the vendor has it.
                let is_callers = fault.status() < 500 && !matches!(fault, Fault::TooMany { .. });
                let verdict = if is_callers { "fail" } else { "error" };
                let text = match &fault {
                    Fault::Invalid { name, .. } => format!("Value of field '{name}' is not valid."),
                    Fault::Internal => String::from("Internal error"),
                    other => other.to_string(),
                };
                reply::retry_after(message(fault.status(), verdict, &text), &fault)
            }
        }
    }
}

/// Answers a method that a route does not take.
pub async fn wrong_method() -> RestFault {
    RestFault::Fault(Fault::MethodNotAllowed)
}

/// Who asks: `X-API-Key`, `?key=`, or the user name of Basic, with any password.
fn caller(services: &Services, headers: &HeaderMap, query: &Params<'_>) -> Result<Caller, Fault> {
    if let Some(key) = credential::api_key(headers) {
        return services.caller(Some(key));
    }
    if let Some(key) = query.one("key")? {
        return services.caller(Some(key));
    }
    services.caller(credential::basic_user(headers).as_deref().or_else(|| credential::bearer(headers)))
}

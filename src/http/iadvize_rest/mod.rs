//! iAdvize's REST dialect (docs/reference/iadvize-rest.md): every response has `meta`, whatever its HTTP status, and
//! may have `data`.

pub mod brackets;
pub mod fields;
pub mod filters;
pub mod grouping;
mod listed;
pub mod operator;
pub mod paging;

use std::borrow::Cow;
use std::collections::BTreeMap;

use axum::body::Body;
use axum::http::Response;
use axum::http::request::Parts;
use axum::response::IntoResponse;
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::openapi::{RefOr, Response as Described};
use utoipa::{IntoResponses, OpenApi, ToSchema};

use super::describe;
use super::extract::{self, Credential, credential, reply};
use crate::domain::Fault;
use paging::Pagination;

const JSON: &str = "application/json";

/// The OpenAPI tag of these routes.
#[derive(OpenApi)]
#[openapi(
    tags((name = "iAdvize REST", description = "Operators, groups and skills, as in iAdvize's REST API. Each route is also below `/api/2`, where the vendor's clients expect it"))
)]
pub struct Description;

/// The outcome of a request: `success`, `fail` if the caller can correct the request, `error` otherwise.
#[derive(Serialize, ToSchema)]
struct Meta<'a> {
    #[schema(pattern = "^(success|fail|error)$")]
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<Cow<'a, str>>,
}

/// A response with data.
#[derive(Serialize, ToSchema)]
struct Envelope<'a, T> {
    meta: Meta<'a>,
    data: T,
    #[serde(skip_serializing_if = "Option::is_none")]
    pagination: Option<Pagination>,
}

/// A response with the outcome only.
#[derive(Serialize, ToSchema)]
#[schema(as = StatusOnly)]
struct StatusOnly<'a> {
    meta: Meta<'a>,
}

const SUCCESS: Meta<'static> = Meta { status: "success", message: None };

/// Returns the body of a response with data, as an example.
fn example<T: Serialize>(data: T) -> Value {
    json!(Envelope { meta: SUCCESS, data, pagination: None })
}

/// Returns the body of a page with one row, as an example.
fn example_page<T: Serialize>(row: T) -> Value {
    json!(Envelope { meta: SUCCESS, data: [row], pagination: Some(Pagination::EXAMPLE) })
}

/// Returns the body of a response with the outcome and a message, as an example.
fn example_message(message: &str) -> Value {
    json!(StatusOnly { meta: Meta { status: "success", message: Some(Cow::Borrowed(message)) } })
}

/// Responds with data.
fn data<T: Serialize>(data: T) -> Response<Body> {
    reply::json(200, JSON, &Envelope { meta: SUCCESS, data, pagination: None })
}

/// Responds with one page of a list.
fn page<T: Serialize>(rows: &[T], pagination: Pagination) -> Response<Body> {
    reply::json(200, JSON, &Envelope { meta: SUCCESS, data: rows, pagination: Some(pagination) })
}

/// Responds with success and nothing else.
fn done() -> Response<Body> {
    reply::json(200, JSON, &StatusOnly { meta: SUCCESS })
}

/// Responds with an outcome and a message.
fn message(status: u16, verdict: &'static str, message: &str) -> Response<Body> {
    reply::json(status, JSON, &StatusOnly { meta: Meta { status: verdict, message: Some(Cow::Borrowed(message)) } })
}

/// An error in this dialect.
#[derive(Debug)]
pub enum RestFault {
    /// The id is unknown: HTTP 404 with this sentence.
    Unknown(String),
    /// This required field is missing: HTTP 400.
    Missing(&'static str),
    /// The value of this field must be unique, and another operator has it: HTTP 409.
    Taken(String),
    /// There is no room for another operator: HTTP 400 with this sentence, which names the quota.
    Full(String),
    /// Any other fault.
    Fault(Fault),
}

impl RestFault {
    /// Returns the error for an unknown id of a resource, such as `operator`.
    fn unknown(resource: &str, id: &str) -> Self {
        RestFault::Unknown(format!("Unknown '{resource}' with 'id' {id}."))
    }
}

impl From<Fault> for RestFault {
    fn from(fault: Fault) -> Self {
        RestFault::Fault(fault)
    }
}

impl IntoResponse for RestFault {
    fn into_response(self) -> Response<Body> {
        match self {
            RestFault::Unknown(sentence) => message(404, "fail", &sentence),
            RestFault::Full(sentence) => message(400, "fail", &sentence),
            RestFault::Missing(field) => message(400, "fail", &format!("Field '{field}' is missing.")),
            RestFault::Taken(field) => message(409, "fail", &format!("Value of field '{field}' is already used.")),
            // The vendor does not distinguish missing, invalid and insufficient keys.
            RestFault::Fault(Fault::CredentialMissing | Fault::CredentialInvalid | Fault::Forbidden) => {
                message(403, "error", "Forbidden")
            }
            RestFault::Fault(fault) => {
                // Too many requests are an `error`, as in the vendor's API, although their status is below 500.
                let is_callers = reply::status(&fault) < 500 && !matches!(fault, Fault::TooMany { .. });
                let verdict = if is_callers { "fail" } else { "error" };
                let text = match &fault {
                    Fault::Invalid { name, detail } => invalid(name, detail),
                    Fault::Internal => String::from("Internal error"),
                    other => other.to_string(),
                };
                reply::retry_after(message(reply::status(&fault), verdict, &text), &fault)
            }
        }
    }
}

/// Returns the vendor's sentence for an invalid value, and a second one with the reason.
fn invalid(name: &str, detail: &str) -> String {
    let end = if detail.ends_with('?') { "" } else { "." };
    format!("Value of field '{name}' is not valid. It {detail}{end}")
}

impl IntoResponses for RestFault {
    fn responses() -> BTreeMap<String, RefOr<Described>> {
        describe::faults::<StatusOnly<'_>, RestFault>(JSON, &[400, 403, 404, 408, 409, 413, 415, 429, 500, 503])
    }
}

/// A caller with the scope of `P`.
pub type Authenticated<P> = extract::Authenticated<AnyCredential, P>;

/// The first credential given: `X-API-Key`, `?key=`, the user name of Basic with any password, or a bearer token.
pub enum AnyCredential {}

impl Credential for AnyCredential {
    type Rejection = RestFault;

    fn read(parts: &mut Parts) -> Result<Option<Cow<'_, str>>, Fault> {
        // Parsed although a header may precede it: a query that cannot be parsed is rejected in any case.
        let params = extract::query(parts)?;
        let headers = &parts.headers;
        if let Some(key) = credential::api_key(headers) {
            return Ok(Some(Cow::Borrowed(key)));
        }
        if let Some(key) = params.one("key")? {
            return Ok(Some(Cow::Owned(key.to_owned())));
        }
        let basic = credential::basic_user(headers).map(Cow::Owned);
        Ok(basic.or_else(|| credential::bearer(headers).map(Cow::Borrowed)))
    }
}

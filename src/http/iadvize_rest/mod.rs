//! iAdvize's REST dialect (docs/reference/iadvize-rest.md): every response has `meta`, whatever its HTTP status, and
//! may have `data`.

pub mod fields;
pub mod filters;
pub mod grouping;
pub mod operator;
pub mod paging;

use std::borrow::Cow;
use std::collections::BTreeMap;

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, Response};
use axum::response::IntoResponse;
use serde::Serialize;
use utoipa::openapi::{RefOr, Response as Described};
use utoipa::{IntoResponses, OpenApi, ToSchema};

use super::describe;
use super::extract::{Params, credential, reply};
use super::state::AppState;
use crate::auth::Caller;
use crate::domain::{Fault, Scope};
use crate::engine::Snapshot;
use crate::query::{self, Freshness};
use fields::Fields;
use paging::Pagination;

const JSON: &str = "application/json";

/// OpenAPI description of these routes.
#[derive(OpenApi)]
#[openapi(
    paths(
        operator::list::list,
        operator::create::create,
        operator::get::get,
        operator::update::update,
        operator::delete::delete,
        operator::profile::profile,
        operator::statistic::statistic,
        operator::live::list::list_live,
        operator::live::get::get_live,
        operator::live::set::set_live,
        grouping::list::list_groups,
        grouping::get::get_group,
        grouping::list::list_skills,
        grouping::get::get_skill,
    ),
    tags((name = "iAdvize REST", description = "Operators, groups and skills, as in iAdvize's REST API"))
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
            RestFault::Missing(field) => message(400, "fail", &format!("Field '{field}' is missing.")),
            RestFault::Taken(field) => message(409, "fail", &format!("Value of field '{field}' is already used.")),
            // The vendor does not distinguish missing, invalid and insufficient keys.
            RestFault::Fault(Fault::CredentialMissing | Fault::CredentialInvalid | Fault::Forbidden) => {
                message(403, "error", "Forbidden")
            }
            RestFault::Fault(fault) => {
                // Too many requests are an `error`, as in the vendor's API, although their status is below 500.
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

impl IntoResponses for RestFault {
    fn responses() -> BTreeMap<String, RefOr<Described>> {
        describe::faults::<StatusOnly<'_>>(JSON, &[400, 403, 404, 409, 413, 415, 429, 500, 503])
    }
}

/// Answers requests with a method that the route does not support.
pub async fn wrong_method() -> RestFault {
    RestFault::Fault(Fault::MethodNotAllowed)
}

/// Authorises a read of one object, and takes the snapshot that it is read from.
async fn open(
    app: &AppState,
    headers: &HeaderMap,
    query: Option<String>,
    freshness: Result<Freshness, Fault>,
) -> Result<(Caller, Snapshot), Fault> {
    let query = query.unwrap_or_default();
    let caller = caller(app, headers, &Params::parse(query.as_bytes())?)?;
    let snapshot = query::open(app.reader(), &caller, Scope::OperatorsRead, freshness?).await?;
    Ok((caller, snapshot))
}

/// Authorises a write and reads its fields from the body. The vendor's client repeats them in the query, from which
/// only the key is read.
async fn write(app: &AppState, request: Request) -> Result<(Caller, Fields), Fault> {
    let (parts, body) = request.into_parts();
    let query = parts.uri.query().unwrap_or_default();
    let caller = caller(app, &parts.headers, &Params::parse(query.as_bytes())?)?;
    caller.require(Scope::OperatorsWrite)?;
    Ok((caller, Fields::read(&parts.headers, body).await?))
}

/// Authenticates the caller by the first credential given: `X-API-Key`, `?key=`, the user name of Basic with any
/// password, or a bearer token.
fn caller(app: &AppState, headers: &HeaderMap, query: &Params<'_>) -> Result<Caller, Fault> {
    if let Some(key) = credential::api_key(headers) {
        return app.caller(Some(key));
    }
    if let Some(key) = query.one("key")? {
        return app.caller(Some(key));
    }
    app.caller(credential::basic_user(headers).as_deref().or_else(|| credential::bearer(headers)))
}

//! iAdvize's REST dialect (CONTRACTS.md 3): `meta` and `data` around every answer, whatever the HTTP status.

pub mod fields;
pub mod filters;
pub mod get_live;
pub mod grouping;
pub mod list_live;
pub mod live_row;
pub mod operator;
pub mod paging;
pub mod set_live;

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
use super::services::Services;
use crate::auth::Caller;
use crate::domain::{Fault, Scope};
use crate::engine::Snapshot;
use crate::query::{self, Freshness};
use fields::Fields;
use paging::Pagination;

const JSON: &str = "application/json";

/// Every route, for the API's description.
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
        list_live::list_live,
        get_live::get_live,
        set_live::set_live,
        grouping::list::list_groups,
        grouping::get::get_group,
        grouping::list::list_skills,
        grouping::get::get_skill,
    ),
    tags((name = "iAdvize REST", description = "Operators, groups and skills, as iAdvize's REST API has them"))
)]
pub struct Description;

/// How a request went: `success`, `fail` when it is the caller's to mend, `error` when it is not.
#[derive(Serialize, ToSchema)]
struct Meta<'a> {
    #[schema(pattern = "^(success|fail|error)$")]
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<Cow<'a, str>>,
}

/// An answer with something in it.
#[derive(Serialize, ToSchema)]
struct Envelope<'a, T> {
    meta: Meta<'a>,
    data: T,
    #[serde(skip_serializing_if = "Option::is_none")]
    pagination: Option<Pagination>,
}

/// An answer that only tells how it went.
#[derive(Serialize, ToSchema)]
#[schema(as = Told)]
struct Told<'a> {
    meta: Meta<'a>,
}

const SUCCESS: Meta<'static> = Meta { status: "success", message: None };

/// An answer with data.
fn data<T: Serialize>(data: T) -> Response<Body> {
    reply::json(200, JSON, &Envelope { meta: SUCCESS, data, pagination: None })
}

/// One page of a list.
fn page<T: Serialize>(rows: &[T], pagination: Pagination) -> Response<Body> {
    reply::json(200, JSON, &Envelope { meta: SUCCESS, data: rows, pagination: Some(pagination) })
}

/// An answer that says no more than that it was done.
fn done() -> Response<Body> {
    reply::json(200, JSON, &Told { meta: SUCCESS })
}

/// An answer with a message.
fn message(status: u16, verdict: &'static str, message: &str) -> Response<Body> {
    reply::json(status, JSON, &Told { meta: Meta { status: verdict, message: Some(Cow::Borrowed(message)) } })
}

/// Why a request failed, in this dialect.
#[derive(Debug)]
pub enum RestFault {
    /// There is nothing by the id that the caller gave; with the sentence that says so.
    Unknown(String),
    /// A field that is needed is not there.
    Missing(&'static str),
    /// A field's value is one that only one operator may have, and another has it.
    Taken(String),
    /// Any other.
    Fault(Fault),
}

impl RestFault {
    /// There is no `resource` with this id.
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

impl IntoResponses for RestFault {
    fn responses() -> BTreeMap<String, RefOr<Described>> {
        describe::faults::<Told<'_>>(JSON, &[400, 403, 404, 409, 413, 415, 429, 500, 503])
    }
}

/// Answers a method that a route does not take.
pub async fn wrong_method() -> RestFault {
    RestFault::Fault(Fault::MethodNotAllowed)
}

/// Authorises a read of one thing and takes the view that shows it.
async fn open(
    services: &Services,
    headers: &HeaderMap,
    query: Option<String>,
    freshness: Result<Freshness, Fault>,
) -> Result<(Caller, Snapshot), Fault> {
    let query = query.unwrap_or_default();
    let caller = caller(services, headers, &Params::parse(query.as_bytes())?)?;
    let snapshot = query::open(services.reader(), &caller, Scope::OperatorsRead, freshness?).await?;
    Ok((caller, snapshot))
}

/// Authorises a write and reads its fields. The vendor's client repeats them in the query; only the key is looked for
/// there.
async fn write(services: &Services, request: Request) -> Result<(Caller, Fields), Fault> {
    let (parts, body) = request.into_parts();
    let query = parts.uri.query().unwrap_or_default();
    let caller = caller(services, &parts.headers, &Params::parse(query.as_bytes())?)?;
    caller.require(Scope::OperatorsWrite)?;
    Ok((caller, Fields::read(&parts.headers, body).await?))
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

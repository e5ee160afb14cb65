//! This dialect's answers and its errors: `errors[]` with a stable `extensions.name`.

use async_graphql::{ErrorExtensionValues, ErrorExtensions, PathSegment, Pos, ServerError};
use axum::body::{Body, Bytes};
use axum::http::Response;
use axum::response::IntoResponse;
use serde::Serialize;
use serde_json::{Value, json};

use crate::domain::Fault;
use crate::http::extract::reply;

/// The name of what may be tried again.
const UNAVAILABLE: &str = "SERVICE_UNAVAILABLE";

/// Where in the document, as the vendor's clients read it: both are always there, empty if nothing is to be said.
#[derive(Serialize)]
struct ErrorBody {
    message: String,
    path: Vec<Value>,
    locations: Vec<Value>,
    extensions: Extensions,
}

#[derive(Serialize)]
struct Extensions {
    name: String,
    #[serde(rename = "retryPolicy")]
    retry_policy: &'static str,
}

/// A request that came to data, to errors, or to both.
#[derive(Serialize)]
struct ResponseBody {
    data: async_graphql::Value,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<ErrorBody>,
}

/// Why a request was not executed at all.
#[derive(Debug)]
pub struct GraphqlFault(pub Fault);

impl From<Fault> for GraphqlFault {
    fn from(fault: Fault) -> Self {
        GraphqlFault(fault)
    }
}

impl IntoResponse for GraphqlFault {
    fn into_response(self) -> Response<Body> {
        let GraphqlFault(fault) = self;
        // A valid request that its caller may not make is answered as a field's error is.
        let status = if fault == Fault::Forbidden { 200 } else { fault.status() };
        let body = ResponseBody { data: async_graphql::Value::Null, errors: vec![error(&fault)] };
        reply::retry_after(reply::json(status, "application/json", &body), &fault)
    }
}

fn error(fault: &Fault) -> ErrorBody {
    ErrorBody { message: message(fault), path: Vec::new(), locations: Vec::new(), extensions: extensions(name(fault)) }
}

fn message(fault: &Fault) -> String {
    match fault {
        Fault::Forbidden => String::from("Insufficient permissions to perform the operation"),
        other => other.to_string(),
    }
}

const fn name(fault: &Fault) -> &'static str {
    match fault {
        Fault::CredentialMissing | Fault::CredentialInvalid => "AUTHENTICATION_REQUIRED",
        Fault::Forbidden => "PERMISSION_DENIED",
        Fault::NotFound(_) => "RESOURCE_NOT_FOUND",
        Fault::TooMany { .. } => "RATE_LIMITED",
        Fault::Unavailable(_) => UNAVAILABLE,
        Fault::Internal => "INTERNAL_ERROR",
        Fault::Malformed(_)
        | Fault::Invalid { .. }
        | Fault::Refused(_)
        | Fault::Conflict(_)
        | Fault::TooLarge(_)
        | Fault::UnsupportedMediaType(_)
        | Fault::MethodNotAllowed
        | Fault::TimedOut => "INVALID_REQUEST",
    }
}

fn extensions(name: &str) -> Extensions {
    let passes = matches!(name, UNAVAILABLE | "RATE_LIMITED");
    let retry_policy = if passes { "RETRY_WITH_BACKOFF" } else { "NO_RETRY" };
    Extensions { name: name.to_owned(), retry_policy }
}

/// The error of a field that was given an argument it cannot use.
pub fn invalid_argument(message: impl Into<String>) -> async_graphql::Error {
    named(message, "INVALID_ARGUMENT")
}

/// The error of a field that came to a fault, by the name that the fault has anywhere; a value that is not valid is an
/// argument's here.
pub fn of_field(fault: &Fault) -> async_graphql::Error {
    match fault {
        Fault::Invalid { .. } => invalid_argument(message(fault)),
        other => named(message(other), name(other)),
    }
}

fn named(message: impl Into<String>, name: &'static str) -> async_graphql::Error {
    let error = async_graphql::Error::new(message);
    error.extend_with(|_, extensions: &mut ErrorExtensionValues| extensions.set("name", name))
}

/// The answer to an executed request, written.
pub struct Answer {
    /// 200, 400 when the request itself was refused, or 503 when one of its fields cannot be answered now.
    pub status: u16,
    /// The body.
    pub body: Bytes,
}

impl Answer {
    /// Writes a response.
    pub fn of(response: async_graphql::Response) -> Self {
        let is_refused = is_refused(&response);
        let mut errors: Vec<_> = response.errors.into_iter().collect();
        if is_refused {
            // The validator finds some of them in the order of a hash table.
            errors.sort_by(|one, other| order(one).cmp(&order(other)));
        }
        let errors: Vec<_> = errors.into_iter().map(executed).collect();
        let is_unavailable = errors.iter().any(|error| error.extensions.name == UNAVAILABLE);
        let status = match (is_unavailable, is_refused) {
            (true, _) => 503,
            (false, true) => 400,
            (false, false) => 200,
        };
        // Serialising our own plain types cannot fail.
        let body = serde_json::to_vec(&ResponseBody { data: response.data, errors }).unwrap_or_default();
        Answer { status, body: body.into() }
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response<Body> {
        let response = reply::json_body(self.status, "application/json", Body::from(self.body));
        if self.status == 503 {
            return reply::retry_after(response, &Fault::Unavailable("a field cannot be answered now"));
        }
        response
    }
}

/// Errors of a document in the order of its text.
fn order(error: &ServerError) -> (Option<Pos>, &str) {
    (error.locations.first().copied(), &error.message)
}

/// Whether the request did not pass validation: then no field was reached, and there is nothing to be told.
fn is_refused(response: &async_graphql::Response) -> bool {
    let is_nothing = response.data == async_graphql::Value::Null;
    is_nothing && !response.errors.is_empty() && response.errors.iter().all(|error| error.path.is_empty())
}

fn executed(error: ServerError) -> ErrorBody {
    let named = error.extensions.as_ref().and_then(|extensions| extensions.get("name")).and_then(|name| match name {
        async_graphql::Value::String(name) => Some(name.clone()),
        _ => None,
    });
    let fallback = if error.path.is_empty() { "INVALID_REQUEST" } else { "INVALID_ARGUMENT" };
    let segment = |segment: &PathSegment| match segment {
        PathSegment::Field(name) => json!(name),
        PathSegment::Index(index) => json!(index),
    };
    ErrorBody {
        message: error.message,
        path: error.path.iter().map(segment).collect(),
        locations: error.locations.iter().map(|at| json!({ "line": at.line, "column": at.column })).collect(),
        extensions: extensions(named.as_deref().unwrap_or(fallback)),
    }
}

//! Answers and errors of the GraphQL dialect: `errors[]` with a stable `extensions.name`.

use async_graphql::{ErrorExtensionValues, ErrorExtensions, PathSegment, Pos, ServerError};
use axum::body::{Body, Bytes};
use axum::http::Response;
use axum::response::IntoResponse;
use serde::Serialize;
use serde_json::{Value, json};

use crate::domain::Fault;
use crate::http::extract::reply;

/// The name of a temporary failure, for which the answer's status is 503.
const UNAVAILABLE: &str = "SERVICE_UNAVAILABLE";

/// One entry of `errors`. `path` and `locations` are always present, possibly empty, because clients of the vendor's
/// API require both.
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

/// The body of an answer: data, errors, or both.
#[derive(Serialize)]
struct ResponseBody {
    data: async_graphql::Value,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<ErrorBody>,
}

/// A fault that ended a request before its execution.
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
        // A valid request without permission is answered like a failed field: 200 with an error.
        let status = if fault == Fault::Forbidden { 200 } else { reply::status(&fault) };
        let body = ResponseBody { data: async_graphql::Value::Null, errors: vec![error(&fault)] };
        reply::retry_after(reply::json(status, "application/json", &body), &fault)
    }
}

fn error(fault: &Fault) -> ErrorBody {
    ErrorBody { message: message(fault), path: Vec::new(), locations: Vec::new(), extensions: extensions(name(fault)) }
}

fn message(fault: &Fault) -> String {
    match fault {
        // The text that the vendor documents.
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
        | Fault::UnsupportedEncoding(_)
        | Fault::MethodNotAllowed
        | Fault::TimedOut => "INVALID_REQUEST",
    }
}

fn extensions(name: &str) -> Extensions {
    let passes = matches!(name, UNAVAILABLE | "RATE_LIMITED");
    let retry_policy = if passes { "RETRY_WITH_BACKOFF" } else { "NO_RETRY" };
    Extensions { name: name.to_owned(), retry_policy }
}

/// Creates the error `INVALID_ARGUMENT` of a field.
pub fn invalid_argument(message: impl Into<String>) -> async_graphql::Error {
    named(message, "INVALID_ARGUMENT")
}

/// Creates the error of a field from a fault, with the name that the fault has elsewhere. The exception is
/// [`Fault::Invalid`]: within a field the invalid value is an argument.
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

/// The serialised answer to an executed request.
pub struct Answer {
    /// 200; 400 if the request failed validation; 503 if one of its fields is temporarily unavailable.
    pub status: u16,
    /// The JSON body.
    pub body: Bytes,
}

impl Answer {
    /// Serialises a response and derives the status from its errors.
    pub fn of(response: async_graphql::Response) -> Self {
        let is_refused = is_refused(&response);
        let mut errors: Vec<_> = response.errors.into_iter().collect();
        if is_refused {
            // The validator reports some errors in the order of a hash table; sorting makes the answer deterministic.
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

/// The sort key of a validation error: its place in the text, then its message.
fn order(error: &ServerError) -> (Option<Pos>, &str) {
    (error.locations.first().copied(), &error.message)
}

/// Returns true if the request failed validation: there is no data, and no error has a path, since no field was
/// reached.
fn is_refused(response: &async_graphql::Response) -> bool {
    let is_nothing = response.data == async_graphql::Value::Null;
    is_nothing && !response.errors.is_empty() && response.errors.iter().all(|error| error.path.is_empty())
}

/// Converts an error of an executed request, with the name that [`named`] gave it.
fn executed(error: ServerError) -> ErrorBody {
    let named = error.extensions.as_ref().and_then(|extensions| extensions.get("name")).and_then(|name| match name {
        async_graphql::Value::String(name) => Some(name.clone()),
        _ => None,
    });
    // Errors of async-graphql itself have no name. Those with a path are taken to concern an argument.
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

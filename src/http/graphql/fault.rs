//! Answers and errors of the GraphQL dialect: `errors[]` with a stable `extensions.name`.

use async_graphql::{ErrorExtensionValues, ErrorExtensions, PathSegment, Pos, ServerError};
use axum::body::{Body, Bytes};
use axum::http::header::ALLOW;
use axum::http::{HeaderValue, Response};
use axum::response::IntoResponse;
use serde::Serialize;
use serde_json::{Value, json};

use super::transport::answer_type::AnswerType;
use super::validation::Violation;
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
    /// The code by which Apollo's clients recognise the one error that they handle themselves.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'static str>,
}

/// The body of an answer: data, errors, or both.
#[derive(Serialize)]
struct ResponseBody {
    /// Null if the request failed; absent then in `application/graphql-response+json`.
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<async_graphql::Value>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<ErrorBody>,
}

/// A fault that ended a request before its execution, where the type of the answer is not known.
#[derive(Debug)]
pub struct GraphqlFault(pub Fault);

impl From<Fault> for GraphqlFault {
    fn from(fault: Fault) -> Self {
        GraphqlFault(fault)
    }
}

impl IntoResponse for GraphqlFault {
    fn into_response(self) -> Response<Body> {
        RequestError::Fault(self.0).answer(AnswerType::Json)
    }
}

/// An error that ends a request before its execution.
#[derive(Debug)]
pub enum RequestError {
    /// A fault as in every dialect.
    Fault(Fault),
    /// The document, or a variable of it, breaks a rule.
    Document(Violation),
    /// The client accepts no type of answers that there is.
    NotAcceptable,
    /// A GET selects a mutation, which only POST executes.
    MutationByGet,
    /// No document with the hash is known: the client is to send its text.
    PersistedQueryNotFound,
}

impl From<Fault> for RequestError {
    fn from(fault: Fault) -> Self {
        RequestError::Fault(fault)
    }
}

impl From<Violation> for RequestError {
    fn from(violation: Violation) -> Self {
        RequestError::Document(violation)
    }
}

impl RequestError {
    /// Returns true for a request that cannot be executed as it is, for any caller and at any time.
    pub const fn is_refusal(&self) -> bool {
        match self {
            RequestError::Document(_) | RequestError::PersistedQueryNotFound => true,
            RequestError::Fault(fault) => {
                matches!(fault, Fault::Malformed(_) | Fault::Invalid { .. } | Fault::Refused(_))
            }
            RequestError::NotAcceptable | RequestError::MutationByGet => false,
        }
    }

    /// Returns the error as a list in JSON, for a transport without statuses.
    pub fn errors(&self) -> Bytes {
        let (_, error) = self.described(AnswerType::GraphqlResponse);
        // Serialising our own plain types cannot fail.
        serde_json::to_vec(&[error]).unwrap_or_default().into()
    }

    /// Returns the status and the error of the answer in a media type.
    fn described(&self, kind: AnswerType) -> (u16, ErrorBody) {
        let is_response = kind == AnswerType::GraphqlResponse;
        match self {
            // In JSON, a valid request without permission is answered like a failed field: 200 with an error.
            RequestError::Fault(Fault::Forbidden) if !is_response => (200, error(&Fault::Forbidden)),
            RequestError::Fault(fault) => (reply::status(fault), error(fault)),
            RequestError::Document(Violation { message, places }) => {
                (400, ErrorBody { locations: locations(places), ..refused(message) })
            }
            RequestError::NotAcceptable => {
                (406, refused("Accept must allow application/json or application/graphql-response+json"))
            }
            RequestError::MutationByGet => (405, refused("a mutation must be sent with POST")),
            // In JSON as Apollo's server answers it; without data the other type needs a status of 4xx.
            RequestError::PersistedQueryNotFound => {
                let extensions =
                    Extensions { code: Some("PERSISTED_QUERY_NOT_FOUND"), ..extensions("INVALID_REQUEST") };
                let error = ErrorBody { extensions, ..refused("PersistedQueryNotFound") };
                (if is_response { 404 } else { 200 }, error)
            }
        }
    }

    /// Returns the answer in a media type.
    pub fn answer(self, kind: AnswerType) -> Response<Body> {
        let is_response = kind == AnswerType::GraphqlResponse;
        let (status, error) = self.described(kind);
        let data = (!is_response).then_some(async_graphql::Value::Null);
        let mut response = reply::json(status, kind.name(), &ResponseBody { data, errors: vec![error] });
        match self {
            RequestError::Fault(fault) => reply::retry_after(response, &fault),
            RequestError::MutationByGet => {
                response.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
                response
            }
            RequestError::Document(_) | RequestError::NotAcceptable | RequestError::PersistedQueryNotFound => response,
        }
    }
}

fn locations(places: &[Pos]) -> Vec<Value> {
    places.iter().map(|at| json!({ "line": at.line, "column": at.column })).collect()
}

fn refused(message: &str) -> ErrorBody {
    ErrorBody {
        message: message.to_owned(),
        path: Vec::new(),
        locations: Vec::new(),
        extensions: extensions("INVALID_REQUEST"),
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
        | Fault::PreconditionFailed(_)
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
    Extensions { name: name.to_owned(), retry_policy, code: None }
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
    /// 200; 400 if the request failed validation. In JSON also 503 if one of its fields is temporarily unavailable.
    pub status: u16,
    /// The media type.
    pub kind: AnswerType,
    /// The JSON body.
    pub body: Bytes,
    /// True if a field is temporarily unavailable.
    is_unavailable: bool,
}

impl Answer {
    /// Serialises a response and derives the status from its errors.
    pub fn of(response: async_graphql::Response, kind: AnswerType) -> Self {
        let is_refused = is_refused(&response);
        let mut errors = response.errors;
        if is_refused {
            arrange(&mut errors);
        }
        let errors: Vec<_> = errors.into_iter().map(executed).collect();
        let is_unavailable = errors.iter().any(|error| error.extensions.name == UNAVAILABLE);
        let status = match (is_refused, kind) {
            (true, _) => 400,
            // What was executed is a 2xx there, whatever its errors.
            (false, AnswerType::Json) if is_unavailable => 503,
            (false, _) => 200,
        };
        let has_data = !is_refused || kind == AnswerType::Json;
        // Serialising our own plain types cannot fail.
        let body = serde_json::to_vec(&ResponseBody { data: has_data.then_some(response.data), errors });
        Answer { status, kind, body: body.unwrap_or_default().into(), is_unavailable }
    }

    /// Returns the errors, as a list in JSON, of a request that failed validation, if it was answered in
    /// [`AnswerType::GraphqlResponse`].
    pub fn refused(&self) -> Option<&[u8]> {
        // The only member there, since there is no data.
        let errors = self.body.strip_prefix(b"{\"errors\":")?.strip_suffix(b"}")?;
        (self.status == 400).then_some(errors)
    }

    /// The answer with a body that was made before, by a request without errors.
    pub const fn known(body: Bytes, kind: AnswerType) -> Self {
        Answer { status: 200, kind, body, is_unavailable: false }
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response<Body> {
        let response = reply::json_body(self.status, self.kind.name(), Body::from(self.body));
        if self.is_unavailable {
            return reply::retry_after(response, &Fault::Unavailable("a field cannot be answered now"));
        }
        response
    }
}

/// Returns the errors, as a list in JSON, of a subscription that cannot be answered on any view: its validation failed, or
/// its one root field rejected its arguments. `None` if it can, whatever failed in its answer.
pub fn refusal(response: &async_graphql::Response) -> Option<Bytes> {
    let is_nothing = response.data == async_graphql::Value::Null && !response.errors.is_empty();
    if !is_nothing || response.errors.iter().any(|error| error.path.len() > 1) {
        return None;
    }
    let mut errors = response.errors.clone();
    arrange(&mut errors);
    let errors: Vec<_> = errors.into_iter().map(executed).collect();
    // Serialising our own plain types cannot fail.
    Some(serde_json::to_vec(&errors).unwrap_or_default().into())
}

/// Arranges the errors of a validation, and removes repeated ones.
fn arrange(errors: &mut Vec<ServerError>) {
    // The validator reports some errors in the order of a hash table; sorting makes the answer deterministic.
    errors.sort_by(|one, other| order(one).cmp(&order(other)));
    // It reports some twice, such as those of a fragment that two operations spread.
    errors.dedup_by(|one, other| order(one) == order(other));
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
        locations: locations(&error.locations),
        extensions: extensions(named.as_deref().unwrap_or(fallback)),
    }
}

//! `/graphql`: authenticates, parses, bounds the cost, executes against one view, and answers with the statuses
//! that the vendor documents.

use std::sync::Arc;

use async_graphql::parser::types::OperationType;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, Response};
use axum::response::IntoResponse;
use utoipa::OpenApi;

use super::documents::persisted::DocumentHash;
use super::fault::{Answer, GraphqlFault, RequestError};
use super::mutation::MutationContext;
use super::request::checked::{self, CheckedRequest, with_document};
use super::request::execution;
use super::state::GraphqlState;
use super::subscription::question::live_query;
use super::transport::answer_type::{Accepted, AnswerType};
use super::transport::described::{Answered, Form, GraphqlAnswer};
use super::transport::events::{self, SubscriptionEvents};
use super::transport::{query_string, websocket};
use crate::auth::{Authorized, Caller, GraphqlRead, GraphqlWrite};
use crate::domain::{Fault, TenantId};
use crate::engine::Snapshot;
use crate::http::extract::body::DIALECT_LIMIT;
use crate::http::extract::{MediaType, credential, freshness, media_type, read_body, reply};
use crate::http::live::authority::Authority;
use crate::http::live::events::Events;
use crate::http::request_context::RequestContext;
use crate::query;

/// The rejection of a subscription that cannot be answered in pieces.
const SUBSCRIPTION: &str =
    "a subscription needs Accept: text/event-stream, or a WebSocket with the protocol graphql-transport-ws";

/// Answers 405 for a method that the route does not support.
pub async fn wrong_method() -> GraphqlFault {
    GraphqlFault(Fault::MethodNotAllowed)
}

/// The OpenAPI tag of the endpoint, and its operations.
#[derive(OpenApi)]
#[openapi(
    components(schemas(GraphqlAnswer)),
    paths(graphql_by_query, graphql_by_body),
    tags((name = "GraphQL", description = "Counts, people and conversations, as in iAdvize's GraphQL API, whose schema `/graphql` answers to introspection"))
)]
pub struct Description;

/// Executes a query from the query string.
///
/// Never a mutation. `Accept` selects the media type of the answer; errors of single fields are in an answer with 200. An
/// upgrade to a WebSocket with the subprotocol `graphql-transport-ws` is answered with 101, and takes subscriptions.
/// Scope: `graphql:read`; introspection needs no credential.
#[utoipa::path(
    get,
    operation_id = "graphql_by_query",
    path = "/graphql",
    params(
        ("query" = Option<String>, Query, description = "The document; only a persisted one may lack it", example = "{ connectedUsersIndicator { connectedUsersCount } }"),
        ("operationName" = Option<String>, Query, description = "The operation of the document to execute, if it has several", example = ""),
        ("variables" = Option<String>, Query, description = "The variables, as a JSON object", example = "{}"),
        ("extensions" = Option<String>, Query, description = "Extensions, as a JSON object: `persistedQuery` with the hash of a document", example = "{}"),
    ),
    responses(Answered),
)]
pub async fn graphql_by_query(state: State<GraphqlState>, request: Request) -> Response<Body> {
    graphql(state, request).await
}

/// Executes a query or a mutation from the body.
///
/// `Accept` selects the media type of the answer; errors of single fields are in an answer with 200. Scope:
/// `graphql:read`, for mutations `graphql:write`; introspection needs no credential.
#[utoipa::path(
    post,
    operation_id = "graphql_by_body",
    path = "/graphql",
    request_body(content = Form, example = json!({ "query": "query($ids: [LegacyId!]) { connectedUsersIndicator(userIds: $ids) { connectedUsersCount } }", "variables": { "ids": ["101"] } })),
    responses(Answered),
)]
pub async fn graphql_by_body(state: State<GraphqlState>, request: Request) -> Response<Body> {
    graphql(state, request).await
}

/// Executes one GraphQL request: from the body of a POST, or a query from the query string of a GET.
///
/// A GET needs no header against cross-site requests: there are no cookies, so a page that makes a browser send one
/// without a preflight sends it without a credential (docs/decisions/0076-graphql-over-http.md).
async fn graphql(State(state): State<GraphqlState>, request: Request) -> Response<Body> {
    let accepted = Accepted::of(request.headers());
    let answered = answer(&state, request, accepted).await;
    answered.unwrap_or_else(|error| error.answer(accepted.of_errors()))
}

async fn answer(state: &GraphqlState, request: Request, accepted: Accepted) -> Result<Response<Body>, RequestError> {
    let app = &state.app;
    let (parts, body) = request.into_parts();
    if parts.method == Method::GET && websocket::is_attempt(&parts.headers) {
        return websocket::connect(state.clone(), parts).await;
    }
    let context = RequestContext::of(&parts.extensions);
    let key = credential::bearer(&parts.headers);
    // An invalid credential is rejected before anything else. A missing one still allows introspection, and counts
    // against the rate of the client's address.
    let caller = match key {
        Some(key) => Some(app.caller(&context, Some(key)).await?),
        None => app.unauthenticated(&context).map(|()| None)?,
    };
    let as_events = accepted.one_piece.is_none();
    let kind = match accepted.one_piece {
        Some(kind) => kind,
        None if accepted.events => AnswerType::GraphqlResponse,
        None => return Err(RequestError::NotAcceptable),
    };
    let (checked, to_keep) = match prepare(state, caller.as_ref().map(Caller::tenant), &parts, body, kind).await {
        Ok(prepared) => prepared,
        Err(error) if as_events && error.is_refusal() => return Ok(refused(&error)),
        Err(error) => return Err(error),
    };
    let operation_type = checked.operation_type;
    if operation_type == OperationType::Subscription {
        if !accepted.events {
            return Err(Fault::Malformed(String::from(SUBSCRIPTION)).into());
        }
        return subscribe(state, &context, caller.ok_or(Fault::CredentialMissing)?, checked);
    }
    if operation_type == OperationType::Mutation && parts.method != Method::POST {
        return Err(RequestError::MutationByGet);
    }
    let (answer, snapshot) = match caller {
        Some(caller) if operation_type == OperationType::Mutation => {
            answer_mutation(state, caller.authorize()?, &parts.headers, checked).await?
        }
        Some(caller) => answer_query(state, caller.authorize()?, &parts.headers, checked).await?,
        None if checked.is_introspection => (execution::introspect(state, None, checked).await?, None),
        None => return Err(Fault::CredentialMissing.into()),
    };
    // Once it was executed: the schema's rules are checked there, and what breaks them is answered with 400.
    if let Some(Kept { tenant, hash, text }) = to_keep
        && answer.status != 400
    {
        state.executor.persisted.keep(tenant, hash, &text);
    }
    let response = if as_events { events::once(&answer.body) } else { answer.into_response() };
    Ok(match snapshot {
        Some(snapshot) => reply::from_snapshot(response, &snapshot),
        None => response,
    })
}

/// A document that was sent with its hash, to be kept once it was executed.
struct Kept {
    tenant: TenantId,
    hash: DocumentHash,
    text: String,
}

/// Reads a request, and checks it.
async fn prepare(
    state: &GraphqlState,
    tenant: Option<TenantId>,
    parts: &Parts,
    body: Body,
    kind: AnswerType,
) -> Result<(CheckedRequest, Option<Kept>), RequestError> {
    let body = if parts.method == Method::POST {
        if media_type(&parts.headers) != MediaType::Json {
            return Err(Fault::UnsupportedMediaType("application/json").into());
        }
        read_body(&parts.headers, body, DIALECT_LIMIT).await?
    } else {
        query_string::body(parts.uri.query().unwrap_or_default())?
    };
    let parameters = checked::parameters(state, tenant, body).await?;
    let to_keep = match (parameters.query.clone(), parameters.hash, tenant) {
        (Some(text), Some(hash), Some(tenant)) => Some(Kept { tenant, hash, text }),
        _ => None,
    };
    let (request, document) = with_document(state, tenant, parameters).await?;
    Ok((CheckedRequest::new(state, document, request, kind).await?, to_keep))
}

/// Answers a subscription with events, until its client leaves.
fn subscribe(
    state: &GraphqlState,
    context: &RequestContext,
    caller: Caller,
    checked: CheckedRequest,
) -> Result<Response<Body>, RequestError> {
    let authority = Authority::of(caller)?;
    let query = match live_query(state, authority, checked) {
        Ok(query) => query,
        Err(error) if error.is_refusal() => return Ok(refused(&error)),
        Err(error) => return Err(error),
    };
    let permit = state.live.permits().socket(authority.tenant())?;
    let operation = state.live.join(query)?;
    // Its limits are those of live operations: it must not take the place of a request for hours.
    drop(context.take_permit());
    let form = SubscriptionEvents::default();
    Ok(Events::new(state.app.clone(), authority, operation, form, permit).into_response())
}

/// Returns the events that answer a request which cannot be executed.
fn refused(error: &RequestError) -> Response<Body> {
    events::once(&events::with_errors(&error.errors()))
}

/// Answers a query of a caller from one view.
async fn answer_query(
    state: &GraphqlState,
    caller: Authorized<GraphqlRead>,
    headers: &HeaderMap,
    checked: CheckedRequest,
) -> Result<(Answer, Option<Snapshot>), RequestError> {
    let snapshot = query::open(state.app.reader(), &caller, freshness::any_age(headers)?).await?;
    let answer = execution::answer_query(state, caller, &snapshot, checked).await?;
    Ok((answer, Some(snapshot)))
}

/// Answers a mutation of a caller, each of its fields from the state that the field made.
async fn answer_mutation(
    state: &GraphqlState,
    caller: Authorized<GraphqlWrite>,
    headers: &HeaderMap,
    checked: CheckedRequest,
) -> Result<(Answer, Option<Snapshot>), RequestError> {
    let app = &state.app;
    let snapshot = query::open(app.reader(), &caller, freshness::any_age(headers)?).await?;
    if checked.is_introspection {
        let answer = execution::introspect(state, Some(caller.tenant()), checked).await?;
        return Ok((answer, Some(snapshot)));
    }
    // A field is answered from the state that it makes: the lists there are not known yet.
    let (is_heavy, tenant) = (checked.is_heavy(&snapshot, None), caller.tenant());
    let context = Arc::new(MutationContext::new(app.clone(), caller, snapshot));
    let answer = execution::execute_for(state, tenant, checked.with_data(context.clone()), is_heavy).await?;
    Ok((answer, Some(context.newest())))
}

//! `/graphql`: authenticates, parses, bounds the cost, executes against one view, and answers with the statuses
//! that the vendor documents.

use std::any::Any;
use std::sync::Arc;

use async_graphql::Request as GraphqlRequest;
use async_graphql::parser::parse_query;
use async_graphql::parser::types::OperationType;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, Response, StatusCode};
use axum::response::IntoResponse;
use utoipa::OpenApi;

use super::archive::ArchiveLoader;
use super::cost::Work;
use super::cost::answer::AnswerMeter;
use super::cost::arguments::Arguments;
use super::cost::reach::reach;
use super::documents::persisted::DocumentHash;
use super::documents::{CheckedDocument, Document};
use super::executor::run_in_turns;
use super::fault::{Answer, GraphqlFault, RequestError};
use super::introspection::HEAVY_ANSWER;
use super::mutation::MutationContext;
use super::request::Parameters;
use super::state::GraphqlState;
use super::transport::answer_type::AnswerType;
use super::transport::described::{Answered, Form, GraphqlAnswer};
use super::transport::query_string;
use super::validation::signatures::Signatures;
use super::validation::{Violation, texts};
use super::{QueryContext, cost, guard, request, validation};
use crate::auth::{Authorized, Caller, GraphqlRead, GraphqlWrite};
use crate::domain::{Fault, TenantId};
use crate::engine::Snapshot;
use crate::http::extract::body::{DIALECT_LIMIT, is_long};
use crate::http::extract::{MediaType, credential, freshness, media_type, read_body, reply};
use crate::http::request_context::RequestContext;
use crate::limits::{Budget, Owner, TurnKey};
use crate::query;

/// Document size in bytes above which parsing takes milliseconds and moves to the blocking pool.
const LONG_DOCUMENT: usize = 4 * 1024;

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
/// Never a mutation. `Accept` selects the media type of the answer; errors of single fields are in an answer with 200.
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
    let kind = AnswerType::negotiate(request.headers());
    let answered = answer(&state, request, kind).await;
    answered.unwrap_or_else(|error| error.answer(kind.unwrap_or(AnswerType::Json)))
}

async fn answer(
    state: &GraphqlState,
    request: Request,
    kind: Option<AnswerType>,
) -> Result<Response<Body>, RequestError> {
    let app = &state.app;
    let (parts, body) = request.into_parts();
    let context = RequestContext::of(&parts.extensions);
    let key = credential::bearer(&parts.headers);
    // An invalid credential is rejected before anything else. A missing one still allows introspection, and counts
    // against the rate of the client's address.
    let caller = match key {
        Some(key) => Some(app.caller(&context, Some(key)).await?),
        None => app.unauthenticated(&context).map(|()| None)?,
    };
    let kind = kind.ok_or(RequestError::NotAcceptable)?;
    let tenant = caller.as_ref().map(Caller::tenant);
    let is_post = parts.method == Method::POST;
    let body = if is_post {
        if media_type(&parts.headers) != MediaType::Json {
            return Err(Fault::UnsupportedMediaType("application/json").into());
        }
        read_body(&parts.headers, body, DIALECT_LIMIT).await?
    } else {
        query_string::body(parts.uri.query().unwrap_or_default())?
    };
    let are_counted = app.edge().budgets.has(Budget::Variables);
    let parameters = app.read(turn_key(tenant), is_long(&body), move || request::read(&body, are_counted)).await?;
    let to_keep = parameters.query.clone().zip(parameters.hash).zip(tenant);
    let (request, document) = with_document(state, tenant, parameters).await?;
    let checked = CheckedRequest::new(state, document, request, kind).await?;
    if checked.is_mutation && !is_post {
        return Err(RequestError::MutationByGet);
    }
    let answered = match caller {
        Some(caller) if checked.is_mutation => {
            answer_mutation(state, caller.authorize()?, &parts.headers, checked).await?
        }
        Some(caller) => answer_query(state, caller.authorize()?, &parts.headers, checked).await?,
        None if checked.is_introspection => introspect(state, None, checked).await?.into_response(),
        None => return Err(Fault::CredentialMissing.into()),
    };
    // Once it was executed: the schema's rules are checked there, and what breaks them is answered with 400.
    if let Some(((text, hash), tenant)) = to_keep
        && answered.status() != StatusCode::BAD_REQUEST
    {
        state.executor.persisted.keep(tenant, hash, &text);
    }
    Ok(answered)
}

/// Finds the document of a request: the text that was sent, or the persisted one with the hash that was sent.
async fn with_document(
    state: &GraphqlState,
    tenant: Option<TenantId>,
    mut parameters: Parameters,
) -> Result<(GraphqlRequest, Arc<Document>), RequestError> {
    let persisted = &state.executor.persisted;
    let hash = parameters.hash;
    let text = match (parameters.query.take(), hash, tenant) {
        // A text that is too long is rejected below, without being hashed.
        (Some(text), Some(hash), _) if text.len() <= guard::MAX_BYTES && DocumentHash::of(&text) != hash => {
            return Err(Fault::Malformed(String::from("provided sha does not match query")).into());
        }
        (Some(text), _, _) => text,
        (None, Some(hash), Some(tenant)) => {
            persisted.get(tenant, &hash).ok_or(RequestError::PersistedQueryNotFound)?.as_ref().to_owned()
        }
        (None, Some(_), None) => return Err(Fault::CredentialMissing.into()),
        (None, None, _) => return Err(Fault::Malformed(String::from("query is missing")).into()),
    };
    let document = document(state, tenant, &text).await?;
    Ok((parameters.with_document(text), document))
}

/// Answers a query of a caller from one view.
async fn answer_query(
    state: &GraphqlState,
    caller: Authorized<GraphqlRead>,
    headers: &HeaderMap,
    checked: CheckedRequest,
) -> Result<Response<Body>, RequestError> {
    let app = &state.app;
    let snapshot = query::open(app.reader(), &caller, freshness::any_age(headers)?).await?;
    if checked.is_introspection {
        let answer = introspect(state, Some(caller.tenant()), checked).await?;
        return Ok(reply::from_snapshot(answer.into_response(), &snapshot));
    }
    let is_heavy = checked.is_heavy(&snapshot, Some(&snapshot));
    let (max_staleness_ms, tenant) = (app.edge().max_staleness_ms, caller.tenant());
    let archive = Arc::new(ArchiveLoader::new(app.clone(), caller));
    let (time, items) = (app.clock().now(), Arc::default());
    let context = QueryContext { snapshot: snapshot.clone(), time, archive, max_staleness_ms, items };
    let answer = execute_for(state, tenant, checked.with_data(context), is_heavy).await?;
    Ok(reply::from_snapshot(answer.into_response(), &snapshot))
}

/// Answers a mutation of a caller, each of its fields from the state that the field made.
async fn answer_mutation(
    state: &GraphqlState,
    caller: Authorized<GraphqlWrite>,
    headers: &HeaderMap,
    checked: CheckedRequest,
) -> Result<Response<Body>, RequestError> {
    let app = &state.app;
    let snapshot = query::open(app.reader(), &caller, freshness::any_age(headers)?).await?;
    if checked.is_introspection {
        let answer = introspect(state, Some(caller.tenant()), checked).await?;
        return Ok(reply::from_snapshot(answer.into_response(), &snapshot));
    }
    // A field is answered from the state that it makes: the lists there are not known yet.
    let (is_heavy, tenant) = (checked.is_heavy(&snapshot, None), caller.tenant());
    let context = Arc::new(MutationContext::new(app.clone(), caller, snapshot));
    let answer = execute_for(state, tenant, checked.with_data(context.clone()), is_heavy).await?;
    Ok(reply::from_snapshot(answer.into_response(), &context.newest()))
}

/// Answers a request that selects introspection fields only, from the cache of answers if possible.
async fn introspect(state: &GraphqlState, tenant: Option<TenantId>, checked: CheckedRequest) -> Result<Answer, Fault> {
    let CheckedRequest { request, document, kind, .. } = checked;
    // Without variables the text and the operation's name alone determine the answer; one without errors is the same in
    // both types.
    let is_kept = checked.takes_no_variables && state.app.edge().budgets.has(Budget::Introspection);
    let known = &state.executor.introspection;
    let (text, operation) = (request.query.clone(), request.operation_name.clone());
    if is_kept && let Some(body) = known.answer(tenant.is_some(), &text, operation.as_deref()) {
        return Ok(Answer::known(body, kind));
    }
    let is_heavy = checked.answer_bytes > HEAVY_ANSWER;
    // Bounded by its estimate instead, which is exact.
    let execution = Execution { request, document, kind, meter: None, is_heavy };
    let answer = execute(state, turn_key(tenant), execution).await?;
    if is_kept && answer.status == 200 {
        known.keep(tenant.is_some(), &text, operation.as_deref(), answer.body.clone());
    }
    Ok(answer)
}

/// Returns the key of the queue for heavy work: the tenant, or one key shared by all unauthenticated callers.
fn turn_key(tenant: Option<TenantId>) -> TurnKey {
    tenant.map_or(TurnKey::Unauthenticated, TurnKey::Tenant)
}

/// Executes a tenant's request, with the bytes of its answer counted unless that budget is off.
async fn execute_for(
    state: &GraphqlState,
    tenant: TenantId,
    checked: CheckedRequest,
    is_heavy: bool,
) -> Result<Answer, Fault> {
    let meter = state.app.answers().map(|budget| AnswerMeter::new(budget.clone(), Owner::Tenant(tenant)));
    let CheckedRequest { request, document, kind, .. } = checked;
    let execution = Execution { request, document, kind, meter: meter.map(Arc::new), is_heavy };
    execute(state, TurnKey::Tenant(tenant), execution).await
}

/// A request that is ready to be executed.
struct Execution {
    request: GraphqlRequest,
    document: Arc<Document>,
    kind: AnswerType,
    meter: Option<Arc<AnswerMeter>>,
    is_heavy: bool,
}

/// Executes a request and serialises its answer; on the blocking pool, slice by slice, if it is heavy.
///
/// [`Fault::TooMany`] or [`Fault::Unavailable`] also if the answer's bytes cannot be charged.
async fn execute(state: &GraphqlState, key: TurnKey, execution: Execution) -> Result<Answer, Fault> {
    let Execution { request, document, kind, meter, is_heavy } = execution;
    let executor = state.executor.clone();
    let answering = async move {
        let response = executor.run(request, &document, meter.clone()).await;
        let response = match &meter {
            Some(meter) => meter.finish(response)?,
            None => response,
        };
        // The meter is held until here: while the text is written, the values are still in memory.
        Ok(Answer::of(response, kind))
    };
    if is_heavy { run_in_turns(&state.app, key, answering).await? } else { answering.await }
}

/// Returns the document of a text from the cache, or parses, checks and caches it.
async fn document(state: &GraphqlState, caller: Option<TenantId>, text: &str) -> Result<Arc<Document>, RequestError> {
    let documents = &state.executor.documents;
    if let Some(known) = documents.get(caller, text) {
        return Ok(known);
    }
    let owned = text.to_owned();
    let executor = state.executor.clone();
    let parsing = move || Ok(parse(&owned, &executor.signatures));
    let checked = state.app.read(turn_key(caller), text.len() > LONG_DOCUMENT, parsing).await??;
    Ok(documents.keep(caller, text.to_owned(), checked))
}

fn parse(text: &str, signatures: &Signatures) -> Result<CheckedDocument, Violation> {
    // Before the parser, whose recursion nothing else bounds.
    guard::scan(text)?;
    let text = texts::decode(text)?;
    let parsed = parse_query(&text).map_err(|error| texts::unparsed(&error))?;
    guard::count(&parsed).map_err(|why| Violation::at(why, []))?;
    let nullable = validation::check(&text, &parsed, signatures)?;
    Ok(CheckedDocument { parsed, nullable })
}

/// A request within all limits, with its estimated work.
struct CheckedRequest {
    request: GraphqlRequest,
    document: Arc<Document>,
    kind: AnswerType,
    work: Work,
    /// Estimated bytes of the answers to introspection fields; 0 without such fields, or when the budget is off.
    answer_bytes: usize,
    is_mutation: bool,
    is_introspection: bool,
    takes_no_variables: bool,
}

impl CheckedRequest {
    async fn new(
        state: &GraphqlState,
        document: Arc<Document>,
        mut request: GraphqlRequest,
        kind: AnswerType,
    ) -> Result<Self, RequestError> {
        let parsed = &document.parsed;
        let operation = guard::operation(parsed, request.operation_name.as_deref()).map_err(Fault::Malformed)?;
        guard::check_variables(operation, &document.nullable, &request.variables)?;
        guard::fill_defaults(operation, &document.nullable, &mut request.variables);
        let operation = &operation.node;
        let budgets = state.app.edge().budgets;
        let are_counted = budgets.has(Budget::Variables);
        let work = cost::weigh(parsed, operation, &request.variables, are_counted).map_err(Fault::Malformed)?;
        let answer_bytes = if budgets.has(Budget::Introspection) {
            let executor = &state.executor;
            let weighing = executor.introspection.weigh(&executor.schema, parsed, operation, &request.variables);
            weighing.await.map_err(Fault::Malformed)?
        } else {
            0
        };
        let (is_mutation, takes_no_variables) =
            (operation.ty == OperationType::Mutation, operation.variable_definitions.is_empty());
        let is_introspection = guard::is_introspection(parsed);
        Ok(CheckedRequest {
            request,
            document,
            kind,
            work,
            answer_bytes,
            is_mutation,
            is_introspection,
            takes_no_variables,
        })
    }

    /// Adds data for the resolvers.
    fn with_data(self, data: impl Any + Send + Sync) -> Self {
        CheckedRequest { request: self.request.data(data), ..self }
    }

    /// Returns true if the execution may keep a core busy for milliseconds in the tenant of the snapshot. `state` is the
    /// state that all fields are answered from; `None` if that is not known yet.
    fn is_heavy(&self, snapshot: &Snapshot, state: Option<&Snapshot>) -> bool {
        let (parsed, request) = (&self.document.parsed, &self.request);
        // Found before, or the request would have been rejected.
        let Ok(operation) = guard::operation(parsed, request.operation_name.as_deref()) else { return true };
        let reach = reach(parsed, Arguments { operation: &operation.node, variables: &request.variables }, state);
        let view = &snapshot.view;
        reach.is_heavy(&self.work, view.directory().users().len(), view.conversations().count())
    }
}

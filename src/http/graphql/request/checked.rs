//! Requests before their execution: the document is found, parsed and checked, and the operation weighed. All transports
//! go through here, so that none of them can leave out a limit.

use std::any::Any;
use std::sync::Arc;

use async_graphql::Request as GraphqlRequest;
use async_graphql::parser::parse_query;
use async_graphql::parser::types::{OperationDefinition, OperationType};
use bytes::Bytes;

use super::Parameters;
use crate::domain::{Fault, TenantId};
use crate::engine::Snapshot;
use crate::http::extract::body::is_long;
use crate::http::graphql::cost::Work;
use crate::http::graphql::cost::arguments::Arguments;
use crate::http::graphql::cost::reach::reach;
use crate::http::graphql::documents::persisted::DocumentHash;
use crate::http::graphql::documents::{CheckedDocument, Document};
use crate::http::graphql::fault::RequestError;
use crate::http::graphql::state::GraphqlState;
use crate::http::graphql::transport::answer_type::AnswerType;
use crate::http::graphql::validation::signatures::Signatures;
use crate::http::graphql::validation::{Violation, texts};
use crate::http::graphql::{cost, guard, validation};
use crate::limits::{Budget, TurnKey};

/// Document size in bytes above which parsing takes milliseconds and moves to the blocking pool.
const LONG_DOCUMENT: usize = 4 * 1024;

/// Returns the key of the queue for heavy work: the tenant, or one key shared by all unauthenticated callers.
pub fn turn_key(tenant: Option<TenantId>) -> TurnKey {
    tenant.map_or(TurnKey::Unauthenticated, TurnKey::Tenant)
}

/// Reads the body of a request, in its turn if it is long.
pub async fn parameters(state: &GraphqlState, tenant: Option<TenantId>, body: Bytes) -> Result<Parameters, Fault> {
    let are_counted = state.app.edge().budgets.has(Budget::Variables);
    let is_long = is_long(&body);
    state.app.read(turn_key(tenant), is_long, move || super::read(&body, are_counted)).await
}

/// Finds the document of a request: the text that was sent, or the persisted one with the hash that was sent.
pub async fn with_document(
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
pub struct CheckedRequest {
    /// The request, with defaults in place of variables that were not given.
    pub request: GraphqlRequest,
    /// Its document.
    pub document: Arc<Document>,
    /// The media type of the answer.
    pub kind: AnswerType,
    work: Work,
    /// Estimated bytes of the answers to introspection fields; 0 without such fields, or when the budget is off.
    pub answer_bytes: usize,
    /// The kind of the operation.
    pub operation_type: OperationType,
    /// True if the document selects introspection fields only.
    pub is_introspection: bool,
    /// True if the operation declares no variables.
    pub takes_no_variables: bool,
}

impl CheckedRequest {
    /// Checks a request. A fault or the violated rule if it exceeds a limit.
    pub async fn new(
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
        let (operation_type, takes_no_variables) = (operation.ty, operation.variable_definitions.is_empty());
        let is_introspection = guard::is_introspection(parsed);
        Ok(CheckedRequest {
            request,
            document,
            kind,
            work,
            answer_bytes,
            operation_type,
            is_introspection,
            takes_no_variables,
        })
    }

    /// Returns the operation to execute; `None` never, since it was found before.
    pub fn operation(&self) -> Option<&OperationDefinition> {
        let found = guard::operation(&self.document.parsed, self.request.operation_name.as_deref());
        found.ok().map(|operation| &operation.node)
    }

    /// Adds data for the resolvers.
    pub fn with_data(self, data: impl Any + Send + Sync) -> Self {
        CheckedRequest { request: self.request.data(data), ..self }
    }

    /// Returns true if the execution may keep a core busy for milliseconds in the tenant of the snapshot. `state` is the
    /// state that all fields are answered from; `None` if that is not known yet.
    pub fn is_heavy(&self, snapshot: &Snapshot, state: Option<&Snapshot>) -> bool {
        let (parsed, request) = (&self.document.parsed, &self.request);
        // Found before, or the request would have been rejected.
        let Some(operation) = self.operation() else { return true };
        let reach = reach(parsed, Arguments { operation, variables: &request.variables }, state);
        let view = &snapshot.view;
        reach.is_heavy(&self.work, view.directory().users().len(), view.conversations().count())
    }
}

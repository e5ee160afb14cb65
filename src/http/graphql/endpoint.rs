//! `POST /graphql`: guard, parse, authenticate, execute against one view, answer with the documented statuses.

use std::sync::Arc;

use async_graphql::parser::parse_query;
use async_graphql::parser::types::{ExecutableDocument, OperationType};
use async_graphql::{ParseRequestError, Request as GraphqlRequest};
use async_graphql_axum::GraphQLRequest;
use axum::body::Body;
use axum::extract::{FromRequest, Request, State};
use axum::http::Response;
use axum::response::IntoResponse;

use super::archive::Reading;
use super::fault::{GraphqlFault, answer};
use super::mutation::Acting;
use super::{Asked, Executor, cost, guard};
use crate::domain::{Fault, Scope};
use crate::http::extract::body::DIALECT;
use crate::http::extract::{MediaType, credential, freshness, media_type, read_body, reply};
use crate::http::services::Services;
use crate::limits::TurnKey;
use crate::query;

/// Bytes of a document for which the parser takes milliseconds.
const LONG: usize = 4 * 1024;

/// Answers a method that the route does not take.
pub async fn wrong_method() -> GraphqlFault {
    GraphqlFault(Fault::MethodNotAllowed)
}

/// Executes one request.
pub async fn graphql(State(services): State<Services>, request: Request) -> Result<Response<Body>, GraphqlFault> {
    let (parts, body) = request.into_parts();
    let key = credential::bearer(&parts.headers);
    // A wrong credential is refused before anything else; none at all may still ask about the schema.
    let caller = match key {
        Some(key) => Some(services.caller(Some(key))?),
        None => services.stranger().map(|()| None)?,
    };
    if media_type(&parts.headers) != MediaType::Json {
        return Err(Fault::UnsupportedMediaType("application/json").into());
    }
    let headers = parts.headers.clone();
    let body = read_body(&headers, body, DIALECT).await?;
    let rebuilt = Request::from_parts(parts, Body::from(body));
    let GraphqlBody(request) = GraphqlBody::from_request(rebuilt, &()).await?;

    let executor = services.graphql();
    let known = executor.documents.get(&request.query);
    let document = match &known {
        Some(document) => document.clone(),
        None => {
            let text = request.query.clone();
            let key = caller.map_or(TurnKey::Strangers, |caller| TurnKey::Tenant(caller.tenant()));
            Arc::new(services.read(key, text.len() > LONG, move || parse(&text)).await?)
        }
    };
    guard::check_variables(&document, request.operation_name.as_deref(), &request.variables)
        .map_err(Fault::Malformed)?;
    let operation = guard::operation(&document, request.operation_name.as_deref());
    if let Some(operation) = operation {
        cost::weigh(&document, operation, &request.variables).map_err(|why| Fault::Malformed(why.to_owned()))?;
    }
    let is_change = operation.is_some_and(|operation| operation.ty == OperationType::Mutation);
    let Some(caller) = caller else {
        if !guard::is_introspection(&document) {
            return Err(Fault::CredentialMissing.into());
        }
        return Ok(answer(executor.run(request, document, known.is_some()).await));
    };
    let scope = if is_change { Scope::GraphqlWrite } else { Scope::GraphqlRead };
    let snapshot = query::open(services.reader(), &caller, scope, freshness::any_age(&headers)?).await?;
    if is_change {
        let acting = Arc::new(Acting::new(services.clone(), caller, snapshot));
        let response = executor.run(request.data(acting.clone()), document, known.is_some()).await;
        return Ok(reply::from_snapshot(answer(response), &acting.newest()));
    }
    let max_staleness_ms = services.edge().max_staleness_ms;
    let reading = Arc::new(Reading::new(services.clone(), caller));
    let request = request.data(Asked { snapshot: snapshot.clone(), reading, max_staleness_ms });
    let response = executor.run(request, document, known.is_some()).await;
    Ok(reply::from_snapshot(answer(response), &snapshot))
}

fn parse(text: &str) -> Result<ExecutableDocument, Fault> {
    guard::scan(text).map_err(|why| Fault::Malformed(why.to_owned()))?;
    let document = parse_query(text).map_err(|error| Fault::Malformed(error.to_string()))?;
    guard::count(&document).map_err(|why| Fault::Malformed(why.to_owned()))?;
    Ok(document)
}

impl Executor {
    /// Executes a document; one that passed validation before is not validated again.
    async fn run(
        &self,
        mut request: GraphqlRequest,
        document: Arc<ExecutableDocument>,
        is_known: bool,
    ) -> async_graphql::Response {
        let text = request.query.clone();
        let is_query = document.operations.iter().all(|(_, operation)| operation.node.ty == OperationType::Query);
        request.set_parsed_query(ExecutableDocument::clone(&document));
        if !is_known || !is_query {
            let response = self.strict.execute(request).await;
            // Values of variables are checked too, so only what passed as a whole is known to be good.
            if response.errors.is_empty() {
                self.documents.keep(text, document);
            }
            return response;
        }
        // Without the checks a wrong value of a variable would be told as a field's error. Reading has no effect, so
        // what came to an error is simply executed again with all of them.
        let asked = request.data.get(&std::any::TypeId::of::<Asked>()).and_then(|asked| asked.downcast_ref::<Asked>());
        let mut again = GraphqlRequest::new(text).variables(request.variables.clone());
        again.operation_name.clone_from(&request.operation_name);
        if let Some(asked) = asked {
            again = again.data(asked.clone());
        }
        let response = self.fast.execute(request).await;
        if response.errors.is_empty() {
            return response;
        }
        again.set_parsed_query(ExecutableDocument::clone(&document));
        self.strict.execute(again).await
    }
}

/// The request in its JSON form, with this dialect's words for what is wrong with it.
struct GraphqlBody(GraphqlRequest);

/// A body that is no request.
struct BadRequest(ParseRequestError);

impl From<ParseRequestError> for BadRequest {
    fn from(error: ParseRequestError) -> Self {
        BadRequest(error)
    }
}

impl IntoResponse for BadRequest {
    fn into_response(self) -> Response<Body> {
        GraphqlFault(self.into()).into_response()
    }
}

impl From<BadRequest> for Fault {
    fn from(BadRequest(error): BadRequest) -> Self {
        match error {
            ParseRequestError::PayloadTooLarge => Fault::TooLarge(DIALECT.name),
            error => Fault::Malformed(error.to_string()),
        }
    }
}

impl GraphqlBody {
    async fn from_request(request: Request, state: &()) -> Result<Self, Fault> {
        let read = GraphQLRequest::<BadRequest>::from_request(request, state).await;
        Ok(GraphqlBody(read.map_err(Fault::from)?.into_inner()))
    }
}

//! The execution of checked requests, whatever they came over.

use std::sync::Arc;

use async_graphql::Request as GraphqlRequest;

use super::checked::{CheckedRequest, turn_key};
use crate::auth::{Authorized, GraphqlRead};
use crate::domain::{Fault, TenantId};
use crate::engine::Snapshot;
use crate::http::graphql::QueryContext;
use crate::http::graphql::archive::ArchiveLoader;
use crate::http::graphql::cost::answer::AnswerMeter;
use crate::http::graphql::documents::Document;
use crate::http::graphql::executor::run_in_turns;
use crate::http::graphql::fault::Answer;
use crate::http::graphql::introspection::HEAVY_ANSWER;
use crate::http::graphql::state::GraphqlState;
use crate::http::graphql::transport::answer_type::AnswerType;
use crate::limits::{Budget, Owner, TurnKey};

/// Answers a query of a caller from one view.
pub async fn answer_query(
    state: &GraphqlState,
    caller: Authorized<GraphqlRead>,
    snapshot: &Snapshot,
    checked: CheckedRequest,
) -> Result<Answer, Fault> {
    if checked.is_introspection {
        return introspect(state, Some(caller.tenant()), checked).await;
    }
    let is_heavy = checked.is_heavy(snapshot, Some(snapshot));
    let tenant = caller.tenant();
    let context = context(state, caller, snapshot);
    execute_for(state, tenant, checked.with_data(context), is_heavy).await
}

/// Makes the context of a query that is answered from one view.
pub fn context(state: &GraphqlState, caller: Authorized<GraphqlRead>, snapshot: &Snapshot) -> QueryContext {
    let app = &state.app;
    let max_staleness_ms = app.edge().max_staleness_ms;
    let archive = Arc::new(ArchiveLoader::new(app.clone(), caller));
    let (time, items) = (app.clock().now(), Arc::default());
    QueryContext { snapshot: snapshot.clone(), time, archive, max_staleness_ms, items }
}

/// Answers a request that selects introspection fields only, from the cache of answers if possible.
pub async fn introspect(
    state: &GraphqlState,
    tenant: Option<TenantId>,
    checked: CheckedRequest,
) -> Result<Answer, Fault> {
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

/// Executes a tenant's request, with the bytes of its answer counted unless that budget is off.
pub async fn execute_for(
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

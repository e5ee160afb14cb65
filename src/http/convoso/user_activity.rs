//! `/v1/user-activity/search`: counts the logged-in agents, and those of them available for a call.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::Response;
use serde::Serialize;
use utoipa::ToSchema;

use super::search::{self, Opened, Search, SearchBody, example};
use super::{ConvosoFault, JSON, OrFailure};
use crate::http::extract::reply;
use crate::http::state::AppState;
use crate::query::user_activity::user_activity;

#[derive(Serialize, ToSchema)]
#[schema(as = ConvosoCountsAnswer)]
struct Answer {
    success: bool,
    data: Counts,
}

impl Answer {
    const EXAMPLE: Answer = Answer { success: true, data: Counts { available_agents: 1, logged_in_agents: 3 } };
}

#[derive(Serialize, ToSchema)]
#[schema(as = ConvosoCountsCounts)]
struct Counts {
    available_agents: u64,
    logged_in_agents: u64,
}

/// Counts agents logged in and available, with parameters in the query.
///
/// An agent must match all filters, and of one filter any value; an unknown id matches no agent. A malformed id is
/// answered with 200, `success` false and the vendor's code. 503 if the state is too old to act on. Scope:
/// `user-activity:read`.
#[utoipa::path(
    get,
    operation_id = "count_agents",
    path = "/user-activity/search",
    params(Search),
    responses((status = 200, description = "The counts", body = OrFailure<Answer>, example = json!(Answer::EXAMPLE)), ConvosoFault),
)]
pub async fn count_by_query(app: State<AppState>, request: Request) -> Result<Response<Body>, ConvosoFault> {
    count(app, request).await
}

/// Counts agents logged in and available, with parameters in a form or JSON.
///
/// An agent must match all filters, and of one filter any value; an unknown id matches no agent. A malformed id is
/// answered with 200, `success` false and the vendor's code. 503 if the state is too old to act on. A
/// parameter in the body takes precedence over the query. Scope: `user-activity:read`.
#[utoipa::path(
    post,
    operation_id = "count_agents_by_body",
    path = "/user-activity/search",
    request_body(content((SearchBody = "application/x-www-form-urlencoded", example = example), (SearchBody = "multipart/form-data", example = example), (SearchBody = "application/json", example = example))),
    responses((status = 200, description = "The counts", body = OrFailure<Answer>, example = json!(Answer::EXAMPLE)), ConvosoFault),
)]
pub async fn count_by_body(app: State<AppState>, request: Request) -> Result<Response<Body>, ConvosoFault> {
    count(app, request).await
}

async fn count(State(app): State<AppState>, request: Request) -> Result<Response<Body>, ConvosoFault> {
    let Opened { filter, snapshot, .. } = search::open(&app, request).await?;
    let ready = user_activity(&snapshot.view, &filter);
    let counts = Counts { available_agents: ready.available, logged_in_agents: ready.logged_in };
    Ok(reply::from_snapshot(reply::json(200, JSON, &Answer { success: true, data: counts }), &snapshot))
}

//! `/v1/user-activity/search`: how many agents are logged in and can be given a call.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::Response;
use axum::routing::{MethodRouter, get};
use serde::Serialize;

use super::{ConvosoFault, JSON, search, wrong_method};
use crate::http::extract::reply;
use crate::http::services::Services;
use crate::query::user_activity::user_activity;

/// The route, the same under both of its paths.
pub fn routes() -> MethodRouter<Services> {
    get(count).post(count).fallback(wrong_method)
}

#[derive(Serialize)]
struct Answer {
    success: bool,
    data: Counts,
}

#[derive(Serialize)]
struct Counts {
    available_agents: u64,
    logged_in_agents: u64,
}

async fn count(State(services): State<Services>, request: Request) -> Result<Response<Body>, ConvosoFault> {
    let (filter, snapshot) = search::open(&services, request).await?;
    let ready = user_activity(&snapshot.view, &filter);
    let counts = Counts { available_agents: ready.available, logged_in_agents: ready.logged_in };
    Ok(reply::from_snapshot(reply::json(200, JSON, &Answer { success: true, data: counts }), &snapshot))
}

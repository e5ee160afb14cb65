//! `GET /agents/presences/users?userId=a,b`: the presences of the agents in a list.

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Response};
use serde_json::json;
use utoipa::IntoParams;
use utoipa::openapi::path::{Parameter, ParameterIn};
use uuid::Uuid;

use super::super::{Authenticated, JSON, Version1, VonageFault};
use super::AgentPresence;
use crate::auth::UsersRead;
use crate::domain::Fault;
use crate::domain::fault::found::quoted;
use crate::domain::ids::parse_guid;
use crate::http::describe;
use crate::http::extract::params::elements;
use crate::http::extract::{Params, Query, freshness, reply};
use crate::http::state::AppState;
use crate::limits::TurnKey;
use crate::query;
use crate::query::people::presences;

/// Most agents in one request; the vendor's limit.
const MAX_USERS: usize = 50;

/// The agents, for the OpenAPI description.
struct Users;

impl IntoParams for Users {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let meaning = "These agents: GUIDs, 50 at most";
        let parameter = describe::list_parameter("userId", meaning, &["a0000101-0000-4000-8000-000000000101"]);
        vec![describe::required(parameter)]
    }
}

/// Lists the presences of agents in the order of the request; unknown agents are left out.
///
/// At most 50 agents. `Accept` must name version 1, `application/vnd.newvoicemedia.v1+json`. Scope: `users:read`.
#[utoipa::path(
    get,
    operation_id = "list_agent_presences",
    path = "/agents/presences/users",
    params(Users),
    responses(
        (
            status = 200,
            description = "The presences of the known agents",
            content((Vec<AgentPresence> = "application/vnd.newvoicemedia.v1+json", example = json!([AgentPresence::example()])), (Vec<AgentPresence> = "application/json; charset=utf-8", example = json!([AgentPresence::example()]))),
        ),
        VonageFault,
    ),
)]
pub async fn list_presences(
    State(app): State<AppState>,
    caller: Authenticated<UsersRead>,
    _: Version1,
    query: Query<VonageFault>,
    headers: HeaderMap,
) -> Result<Response<Body>, VonageFault> {
    let users = users(&query)?;
    let freshness = freshness::current(&headers, &app)?;
    let snapshot = query::open(app.reader(), &caller, freshness).await?;
    let is_long = presences::has_many_definitions(&snapshot.view);
    let view = snapshot.view.clone();
    let find = move || Ok(presences::presences(&view, &users));
    let shown = app.read(TurnKey::Tenant(caller.tenant()), is_long, find).await?;
    let answer: Vec<_> = shown.into_iter().map(AgentPresence::from).collect();
    Ok(reply::from_snapshot(reply::json(200, JSON, &answer), &snapshot))
}

/// Parses the GUIDs. Repeated ones count towards the limit, and are listed once, where they come first.
fn users(params: &Params<'_>) -> Result<Vec<Uuid>, VonageFault> {
    let values = params.list("userId")?;
    let texts = elements(&values);
    if texts.len() > MAX_USERS {
        return Err(VonageFault::Body(json!({
            "status": 400,
            "title": "Query limit",
            "detail": "Request exceeded maximum number for users of 50 in one query.",
        })));
    }
    let mut users = Vec::new();
    for text in texts {
        let malformed = || Fault::Malformed(format!("userId must be a list of GUIDs: {} is given", quoted(text)));
        let user = parse_guid(text).ok_or_else(malformed)?;
        if !users.contains(&user) {
            users.push(user);
        }
    }
    if users.is_empty() {
        return Err(VonageFault::validation("userId", "The userId field is required."));
    }
    Ok(users)
}

//! `GET /agents/{userId}/presence`: the presence that one agent shows now.

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Response};

use super::super::{Authenticated, JSON, Version1, VonageFault};
use super::{AgentPresence, user_of};
use crate::auth::UsersRead;
use crate::domain::Fault;
use crate::http::extract::{PathId, freshness, reply};
use crate::http::state::AppState;
use crate::query;
use crate::query::people::presences;

/// Returns one agent's presence, connected or not.
///
/// An agent without a desk shows LoggedOut, whatever was chosen. `updated` is when the presence was chosen or a session
/// last opened or ended. `Accept` must name version 1, `application/vnd.newvoicemedia.v1+json`. Scope: `users:read`.
#[utoipa::path(
    get,
    operation_id = "get_agent_presence",
    path = "/agents/{id}/presence",
    params(("id" = Uuid, Path, description = "The agent's GUID", example = "a0000101-0000-4000-8000-000000000101")),
    responses(
        (
            status = 200,
            description = "The presence",
            content((AgentPresence = "application/vnd.newvoicemedia.v1+json", example = json!(AgentPresence::example())), (AgentPresence = "application/json; charset=utf-8", example = json!(AgentPresence::example()))),
        ),
        VonageFault,
    ),
)]
pub async fn get_presence(
    State(app): State<AppState>,
    caller: Authenticated<UsersRead>,
    _: Version1,
    PathId(id): PathId,
    headers: HeaderMap,
) -> Result<Response<Body>, VonageFault> {
    let user = user_of(&id)?;
    let freshness = freshness::current(&headers, &app)?;
    let snapshot = query::open(app.reader(), &caller, freshness).await?;
    let presence = presences::presence(&snapshot.view, user).ok_or(Fault::NotFound("user"))?;
    Ok(reply::from_snapshot(reply::json(200, JSON, &AgentPresence::from(presence)), &snapshot))
}

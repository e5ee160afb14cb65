//! `PATCH /agents/{userId}/presence`: sets an agent's presence, and returns the one shown afterwards.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::Response;
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::super::members::members;
use super::super::{Authenticated, JSON, Version1, VonageFault};
use super::{AgentPresence, LUNCH, user_of};
use crate::auth::UsersWrite;
use crate::command::change_presence::{ChangeError, Choice, change_presence};
use crate::domain::Fault;
use crate::domain::fault::found::found;
use crate::domain::ids::parse_guid;
use crate::http::extract::body::DIALECT_LIMIT;
use crate::http::extract::{MediaType, PathId, media_type, read_body, reply};
use crate::http::state::AppState;
use crate::query::people::presences;
use crate::query::{self, Freshness};

/// The change of a presence.
#[derive(Deserialize, ToSchema)]
#[schema(as = PresenceChange)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(dead_code, reason = "only its shape is of interest: its member is read by name")]
struct Change {
    /// The GUID of the presence definition to show.
    #[schema(value_type = Uuid)]
    presence_id: String,
}

/// Sets one agent's presence.
///
/// The definition must be known and selectable. The answer is what the agent shows then, which is LoggedOut without a
/// desk. `Accept` must name version 1, `application/vnd.newvoicemedia.v1+json`. Scope: `users:write`.
#[utoipa::path(
    patch,
    operation_id = "set_agent_presence",
    path = "/agents/{id}/presence",
    params(("id" = Uuid, Path, description = "The agent's GUID", example = "a0000101-0000-4000-8000-000000000101")),
    request_body(content = Change, example = json!({ "presenceId": LUNCH })),
    responses(
        (
            status = 200,
            description = "The presence after the change",
            content((AgentPresence = "application/vnd.newvoicemedia.v1+json", example = json!(AgentPresence::example())), (AgentPresence = "application/json; charset=utf-8", example = json!(AgentPresence::example()))),
        ),
        VonageFault,
    ),
)]
pub async fn set_presence(
    State(app): State<AppState>,
    caller: Authenticated<UsersWrite>,
    _: Version1,
    PathId(id): PathId,
    request: Request,
) -> Result<Response<Body>, VonageFault> {
    let (parts, body) = request.into_parts();
    if media_type(&parts.headers) != MediaType::Json {
        return Err(Fault::UnsupportedMediaType("application/json").into());
    }
    let user = user_of(&id)?;
    let definition = read(&read_body(&parts.headers, body, DIALECT_LIMIT).await?)?;
    let choice = Choice { user, definition };
    let done = change_presence(app.command(&caller), choice).await;
    let position = done.map_err(|error| match error {
        ChangeError::Unknown => refused(format!("The value '{definition}' is not a known presence.")),
        ChangeError::NotSelectable => refused(format!("The value '{definition}' cannot be selected.")),
        ChangeError::Fault(fault) => fault.into(),
    })?;
    // An acknowledged change is already visible. Staleness is not checked: the store has just confirmed the write.
    let freshness = Freshness { min_position: Some(position), max_staleness_ms: None };
    let snapshot = query::open(app.reader(), &caller, freshness).await?;
    let presence = presences::presence(&snapshot.view, user).ok_or(Fault::NotFound("user"))?;
    Ok(reply::from_snapshot(reply::json(200, JSON, &AgentPresence::from(presence)), &snapshot))
}

fn read(body: &[u8]) -> Result<Uuid, VonageFault> {
    let change = members(body, &["presenceId"])?;
    let given = change.get("presenceId").filter(|value| !value.is_null());
    let given = given.ok_or_else(|| refused("The presenceId field is required."))?;
    let malformed = || Fault::Malformed(format!("presenceId must be a GUID: {} is given", found(given)));
    Ok(given.as_str().and_then(parse_guid).ok_or_else(malformed)?)
}

fn refused(message: impl Into<String>) -> VonageFault {
    VonageFault::validation("presenceId", message)
}

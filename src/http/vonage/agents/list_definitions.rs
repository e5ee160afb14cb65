//! `GET /agents/presence-definitions`: the presences that agents can have, built in or defined by the tenant.

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::super::{Authenticated, JSON, Version1, VonageFault};
use super::PresenceDefinition;
use crate::auth::UsersRead;
use crate::http::extract::long_answer::{Lists, json_in_slices};
use crate::http::extract::{freshness, reply};
use crate::http::state::AppState;
use crate::limits::TurnKey;
use crate::query;
use crate::query::people::presences;

#[derive(Serialize, ToSchema)]
#[schema(as = PresenceDefinitions)]
#[serde(rename_all = "camelCase")]
struct Answer {
    presence_definitions: Vec<PresenceDefinition>,
}

/// Lists every presence definition, including those that cannot be chosen.
///
/// The four built-in definitions come first, then those of the directory. `Accept` must name version 1,
/// `application/vnd.newvoicemedia.v1+json`. Scope: `users:read`.
#[utoipa::path(
    get,
    operation_id = "list_presence_definitions",
    path = "/agents/presence-definitions",
    responses(
        (
            status = 200,
            description = "Every definition",
            content((Answer = "application/vnd.newvoicemedia.v1+json", example = json!(Answer { presence_definitions: vec![PresenceDefinition::example()] })), (Answer = "application/json; charset=utf-8", example = json!(Answer { presence_definitions: vec![PresenceDefinition::example()] }))),
        ),
        VonageFault,
    ),
)]
pub async fn list_definitions(
    State(app): State<AppState>,
    caller: Authenticated<UsersRead>,
    _: Version1,
    headers: HeaderMap,
) -> Result<Response<Body>, VonageFault> {
    let freshness = freshness::current(&headers, &app)?;
    let snapshot = query::open(app.reader(), &caller, freshness).await?;
    let is_long = presences::has_many_definitions(&snapshot.view);
    let view = snapshot.view.clone();
    let begin = move || {
        let rows = presences::definitions(&view).into_iter().map(PresenceDefinition::from);
        Lists::within(&Answer { presence_definitions: Vec::new() }, "presenceDefinitions", rows)
    };
    let answer = json_in_slices(&app, TurnKey::Tenant(caller.tenant()), is_long, JSON, begin).await?;
    Ok(reply::from_snapshot(answer, &snapshot))
}

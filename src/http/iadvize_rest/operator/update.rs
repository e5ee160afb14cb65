//! `PUT /operator/{id}`: changes the given fields of an operator, and no others.

use axum::body::Body;
use axum::extract::State;
use axum::http::Response;

use super::patch::Writable;
use super::row::Row;
use super::{password, patch, reference, refused};
use crate::auth::OperatorsWrite;
use crate::command::update_operator::update_operator;
use crate::http::extract::{PathId, reply};
use crate::http::iadvize_rest::fields::Fields;
use crate::http::iadvize_rest::{Authenticated, Envelope, RestFault, data, example};
use crate::http::state::AppState;

/// Changes an operator and returns it.
///
/// Fields that are not given stay as they are, and unknown ones are refused; `id` and `_link` are ignored. An empty text or `null` clears a field that
/// can be cleared. Scope: `operators:write`; with `password`, or for other roles of an operator who has one, also
/// `operators:passwords`.
#[utoipa::path(
    put,
    operation_id = "update_operator",
    path = "/operator/{id}",
    params(("id" = String, Path, description = "Integer id or GUID", example = "101")),
    request_body(content((Writable = "application/json", example = json!({ "pseudo": "Al", "chat_max_number": 5, "call_config": { "type": "ANSWER_FROM_DESK" } })), (Writable = "application/x-www-form-urlencoded", example = json!({ "pseudo": "Al", "skill_list": [1, 2] })), (Writable = "multipart/form-data", example = json!({ "pseudo": "Al", "skill_list": [1, 2] })))),
    responses((status = 200, description = "The operator after the change", body = Envelope<Row>, example = json!(example(Row::example()))), RestFault),
)]
pub async fn update(
    State(app): State<AppState>,
    caller: Authenticated<OperatorsWrite>,
    PathId(id): PathId,
    fields: Fields,
) -> Result<Response<Body>, RestFault> {
    let user = patch::read(&fields)?;
    let password = password(&app, &caller, &fields).await?;
    let changed = update_operator(app.command(&caller), reference(&id)?, user, password).await;
    let (position, profile) = changed.map_err(|fault| refused(fault, &id))?;
    Ok(reply::at_position(data(Row::new(&profile, &app.edge().base_path)), position))
}

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
use crate::http::iadvize_rest::{Authenticated, Envelope, RestFault, data};
use crate::http::state::AppState;

/// Changes an operator and returns it.
#[utoipa::path(
    put,
    operation_id = "update_operator",
    path = "/operator/{id}",
    params(("id" = String, Path, description = "Integer id or GUID")),
    request_body(content((Writable = "application/json"), (Writable = "application/x-www-form-urlencoded"), (Writable = "multipart/form-data"))),
    responses((status = 200, description = "The operator after the change", body = Envelope<Row>), RestFault),
)]
pub async fn update(
    State(app): State<AppState>,
    caller: Authenticated<OperatorsWrite>,
    PathId(id): PathId,
    fields: Fields,
) -> Result<Response<Body>, RestFault> {
    let user = patch::read(&fields)?;
    let password = password(&app, caller.tenant(), &fields).await?;
    let changed = update_operator(app.command(&caller), reference(&id)?, user, password).await;
    let (position, profile) = changed.map_err(|fault| refused(fault, &id))?;
    Ok(reply::at_position(data(Row::from(&*profile)), position))
}

//! `PUT /operator/{id}`: changes the given fields of an operator, and no others.

use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::Response;

use super::patch::Writable;
use super::row::Row;
use super::{password, patch, reference, refused};
use crate::command::update_operator::update_operator;
use crate::http::extract::reply;
use crate::http::iadvize_rest::{Envelope, RestFault, data, write};
use crate::http::state::AppState;

/// Changes an operator and returns it.
#[utoipa::path(
    put,
    operation_id = "update_operator",
    path = "/operator/{id}",
    params(("id" = String, Path, description = "Integer id or GUID")),
    request_body(content((Writable = "application/json"), (Writable = "application/x-www-form-urlencoded"))),
    responses((status = 200, description = "The operator after the change", body = Envelope<Row>), RestFault),
)]
pub async fn update(
    State(app): State<AppState>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response<Body>, RestFault> {
    let (caller, fields) = write(&app, request).await?;
    let user = (patch::read(&fields)?, password(&app, &caller, &fields).await?);
    let engine = (app.submitter(), app.reader());
    let changed = update_operator(&caller, engine, app.clock(), reference(&id)?, user).await;
    let (position, profile) = changed.map_err(|fault| refused(fault, &id))?;
    Ok(reply::at_position(data(Row::from(&*profile)), position))
}

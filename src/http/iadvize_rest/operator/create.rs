//! `POST /operator`: creates an operator.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::Response;

use super::patch::{New, REQUIRED_FIELDS};
use super::row::Row;
use super::{password, patch, refused};
use crate::command::create_operator::create_operator;
use crate::http::extract::reply;
use crate::http::iadvize_rest::{Envelope, RestFault, data, write};
use crate::http::state::AppState;

/// Creates an operator and returns it.
#[utoipa::path(
    post,
    operation_id = "create_operator",
    path = "/operator",
    request_body(content((New = "application/json"), (New = "application/x-www-form-urlencoded"))),
    responses((status = 200, description = "The operator, with its id", body = Envelope<Row>), RestFault),
)]
pub async fn create(State(app): State<AppState>, request: Request) -> Result<Response<Body>, RestFault> {
    let (caller, fields) = write(&app, request).await?;
    if let Some(missing) = REQUIRED_FIELDS.into_iter().find(|name| fields.get(name).is_none()) {
        return Err(RestFault::Missing(missing));
    }
    let user = (patch::read(&fields)?, password(&app, &caller, &fields).await?);
    let made = create_operator(&caller, (app.submitter(), app.reader()), app.clock(), user).await;
    let (position, profile) = made.map_err(|fault| refused(fault, ""))?;
    Ok(reply::at_position(data(Row::from(&*profile)), position))
}

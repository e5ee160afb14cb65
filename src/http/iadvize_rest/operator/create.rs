//! `POST /operator`: creates an operator.

use axum::body::Body;
use axum::extract::State;
use axum::http::Response;

use super::patch::{New, REQUIRED_FIELDS, example_fields};
use super::row::Row;
use super::{password, patch, refused};
use crate::auth::OperatorsWrite;
use crate::command::create_operator::create_operator;
use crate::http::extract::reply;
use crate::http::iadvize_rest::fields::Fields;
use crate::http::iadvize_rest::{Authenticated, Envelope, RestFault, data, example};
use crate::http::state::AppState;

/// Creates an operator and returns it.
///
/// `name`, `email` and `website_list` are needed. A form has lists as a repeated name or in brackets, and flags as 0 and 1.
/// Unknown fields are refused; `id` and `_link` are ignored. Scope: `operators:write`; with
/// `password` also `operators:passwords`.
#[utoipa::path(
    post,
    operation_id = "create_operator",
    path = "/operator",
    request_body(content((New = "application/json", example = example_fields), (New = "application/x-www-form-urlencoded", example = example_fields), (New = "multipart/form-data", example = example_fields))),
    responses((status = 200, description = "The operator, with its id", body = Envelope<Row>, example = json!(example(Row::example()))), RestFault),
)]
pub async fn create(
    State(app): State<AppState>,
    caller: Authenticated<OperatorsWrite>,
    fields: Fields,
) -> Result<Response<Body>, RestFault> {
    let is_missing = |name: &&str| fields.get(name).is_none_or(|value| value.is_null());
    if let Some(missing) = REQUIRED_FIELDS.into_iter().find(is_missing) {
        return Err(RestFault::Missing(missing));
    }
    let user = patch::read(&fields)?;
    let password = password(&app, &caller, &fields).await?;
    let made = create_operator(app.command(&caller), user, password).await;
    let (position, profile) = made.map_err(|fault| refused(fault, ""))?;
    Ok(reply::at_position(data(Row::new(&profile, &app.edge().base_path)), position))
}

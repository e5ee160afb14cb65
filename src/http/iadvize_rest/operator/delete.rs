//! `DELETE /operator/{id}`: deletes an operator, which ends their sessions and removes them from every list and count.

use axum::body::Body;
use axum::extract::State;
use axum::http::Response;

use crate::auth::OperatorsWrite;
use crate::command::delete_operator::delete_operator;
use crate::domain::Fault;
use crate::http::extract::{PathId, reply};
use crate::http::iadvize_rest::{Authenticated, RestFault, SUCCESS, StatusOnly, done};
use crate::http::state::AppState;

/// Deletes an operator.
///
/// Its sessions end, and it leaves every list and count. A second deletion is 404. Scope: `operators:write`.
#[utoipa::path(
    delete,
    operation_id = "delete_operator",
    path = "/operator/{id}",
    params(("id" = String, Path, description = "Integer id or GUID", example = "101")),
    responses((status = 200, description = "Deleted", body = StatusOnly, example = json!(StatusOnly { meta: SUCCESS })), RestFault),
)]
pub async fn delete(
    State(app): State<AppState>,
    caller: Authenticated<OperatorsWrite>,
    PathId(id): PathId,
) -> Result<Response<Body>, RestFault> {
    // Unlike the vendor's other sentences about unknown ids, this one ends without a full stop.
    let unknown = || RestFault::Unknown(format!("Unknown 'operator' with 'id' {id}"));
    let operator = id.parse().map_err(|_| unknown())?;
    let deleted = delete_operator(app.command(&caller), operator).await;
    let position = deleted.map_err(|fault| match fault {
        Fault::NotFound(_) => unknown(),
        other => RestFault::Fault(other),
    })?;
    Ok(reply::at_position(done(), position))
}

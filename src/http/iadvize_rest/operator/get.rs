//! `GET /operator/{id}`: one operator with every field.

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Response};

use super::reference;
use super::row::Row;
use crate::auth::OperatorsRead;
use crate::http::extract::{PathId, freshness, reply};
use crate::http::iadvize_rest::{Authenticated, Envelope, RestFault, data, example};
use crate::http::state::AppState;
use crate::query;
use crate::query::people::operators::operator;

/// Returns one operator.
///
/// Fields that were never set are `null`. Scope: `operators:read`.
#[utoipa::path(
    get,
    operation_id = "get_operator",
    path = "/operator/{id}",
    params(("id" = String, Path, description = "Integer id or GUID", example = "101")),
    responses((status = 200, description = "The operator", body = Envelope<Row>, example = json!(example(Row::example()))), RestFault),
)]
pub async fn get(
    State(app): State<AppState>,
    caller: Authenticated<OperatorsRead>,
    PathId(id): PathId,
    headers: HeaderMap,
) -> Result<Response<Body>, RestFault> {
    let snapshot = query::open(app.reader(), &caller, freshness::any_age(&headers)?).await?;
    let profile = operator(&snapshot.view, reference(&id)?).ok_or_else(|| RestFault::unknown("operator", &id))?;
    Ok(reply::from_snapshot(data(Row::new(profile, &app.edge().base_path)), &snapshot))
}

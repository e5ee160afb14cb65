//! `GET /operator/{id}/live`: one operator's live availability, online or not.

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Response};

use super::row::Row;
use crate::auth::OperatorsRead;
use crate::http::extract::{PathId, freshness, reply};
use crate::http::iadvize_rest::{Authenticated, Envelope, RestFault, data, example};
use crate::http::state::AppState;
use crate::query;
use crate::query::people::operators_live::operator_live;

/// Returns one operator's live availability.
///
/// `slot_number` are the conversations held, and `available` is whether the operator can take another on the channel. 503
/// if the state is too old to act on. Scope: `operators:read`.
#[utoipa::path(
    get,
    path = "/operator/{id}/live",
    params(("id" = String, Path, description = "Integer id or GUID", example = "101")),
    responses((status = 200, description = "The operator, connected or not", body = Envelope<Row>, example = json!(example(Row::example()))), RestFault),
)]
pub async fn get_live(
    State(app): State<AppState>,
    caller: Authenticated<OperatorsRead>,
    PathId(id): PathId,
    headers: HeaderMap,
) -> Result<Response<Body>, RestFault> {
    let snapshot = query::open(app.reader(), &caller, freshness::current(&headers, &app)?).await?;
    let operator = id.parse().ok().and_then(|reference| operator_live(&snapshot.view, reference));
    let operator = operator.ok_or_else(|| RestFault::unknown("operator", &id))?;
    Ok(reply::from_snapshot(data(Row::from(operator)), &snapshot))
}

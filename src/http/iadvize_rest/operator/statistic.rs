//! `GET /operator/{id}/statistic`: an operator's figures.

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::reference;
use crate::auth::OperatorsRead;
use crate::http::extract::{PathId, freshness, reply};
use crate::http::iadvize_rest::{Authenticated, Envelope, RestFault, data, example};
use crate::http::state::AppState;
use crate::query;
use crate::query::people::operators::statistic as statistic_of;

/// An operator's figures. Those that were never given are `null`.
#[derive(Serialize, ToSchema)]
#[schema(as = OperatorStatistic)]
struct Row {
    id: i64,
    conversation_number: u64,
    /// A ratio; deprecated by the vendor.
    #[schema(deprecated)]
    satisfaction_global_rate: Option<f64>,
    experience: Option<i64>,
}

/// Returns one operator's figures.
///
/// `conversation_number` is the number of different conversations that the operator took. The other two come from the
/// directory, and are `null` unless they were given. Scope: `operators:read`.
#[utoipa::path(
    get,
    operation_id = "get_operator_statistic",
    path = "/operator/{id}/statistic",
    params(("id" = String, Path, description = "Integer id or GUID", example = "101")),
    responses((status = 200, description = "The figures", body = Envelope<Row>, example = json!(example(Row { id: 101, conversation_number: 1, satisfaction_global_rate: None, experience: None }))), RestFault),
)]
pub async fn statistic(
    State(app): State<AppState>,
    caller: Authenticated<OperatorsRead>,
    PathId(id): PathId,
    headers: HeaderMap,
) -> Result<Response<Body>, RestFault> {
    let snapshot = query::open(app.reader(), &caller, freshness::any_age(&headers)?).await?;
    let found = statistic_of(&snapshot.view, reference(&id)?).ok_or_else(|| RestFault::unknown("operator", &id))?;
    let row = Row {
        id: found.profile.id,
        conversation_number: found.conversations,
        satisfaction_global_rate: found.profile.satisfaction(),
        experience: found.profile.experience(),
    };
    Ok(reply::from_snapshot(data(row), &snapshot))
}

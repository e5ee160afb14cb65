//! `GET /operator/{id}/profile`: an operator's profile.

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
use crate::query::people::operators::operator;

#[derive(Serialize, ToSchema)]
#[schema(as = OperatorProfile)]
struct Row<'a> {
    user_id: i64,
    status: Option<&'a str>,
    description: Option<&'a str>,
    facebook: Option<&'a str>,
    city: Option<&'a str>,
    country: Option<&'a str>,
}

/// Returns one operator's profile; fields that were never set are `null`.
///
/// It is written by the directory. Scope: `operators:read`.
#[utoipa::path(
    get,
    operation_id = "get_operator_profile",
    path = "/operator/{id}/profile",
    params(("id" = String, Path, description = "Integer id or GUID", example = "101")),
    responses((status = 200, description = "The profile", body = Envelope<Row>, example = json!(example(Row { user_id: 101, status: None, description: Some("Knows the catalogue"), facebook: None, city: Some("Porto"), country: Some("Portugal") }))), RestFault),
)]
pub async fn profile(
    State(app): State<AppState>,
    caller: Authenticated<OperatorsRead>,
    PathId(id): PathId,
    headers: HeaderMap,
) -> Result<Response<Body>, RestFault> {
    let snapshot = query::open(app.reader(), &caller, freshness::any_age(&headers)?).await?;
    let operator = operator(&snapshot.view, reference(&id)?).ok_or_else(|| RestFault::unknown("operator", &id))?;
    let shown = operator.profile();
    let shown = shown.as_ref();
    let row = Row {
        user_id: operator.id,
        status: shown.and_then(|shown| shown.status.as_deref()),
        description: shown.and_then(|shown| shown.description.as_deref()),
        facebook: shown.and_then(|shown| shown.facebook.as_deref()),
        city: shown.and_then(|shown| shown.city.as_deref()),
        country: shown.and_then(|shown| shown.country.as_deref()),
    };
    Ok(reply::from_snapshot(data(row), &snapshot))
}

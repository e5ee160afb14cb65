//! `GET /operator/{id}/live`: how one operator stands now, online or not.

use axum::body::Body;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, Response};

use super::live_row::Row;
use super::{Envelope, RestFault, caller, data};
use crate::domain::Scope;
use crate::http::extract::{Params, freshness, reply};
use crate::http::services::Services;
use crate::query::{self, operators_live::operator_live};

/// Shows one operator.
#[utoipa::path(
    get,
    path = "/operator/{id}/live",
    params(("id" = String, Path, description = "Integer id or GUID")),
    responses((status = 200, description = "The operator, connected or not", body = Envelope<Row>), RestFault),
)]
pub async fn get_live(
    State(services): State<Services>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response<Body>, RestFault> {
    let query = query.unwrap_or_default();
    let query = Params::parse(query.as_bytes())?;
    let caller = caller(&services, &headers, &query)?;
    let freshness = freshness::current(&headers, &services)?;
    let snapshot = query::open(services.reader(), &caller, Scope::OperatorsRead, freshness).await?;
    let operator = id.parse().ok().and_then(|reference| operator_live(&snapshot.view, reference));
    let operator = operator.ok_or_else(|| RestFault::unknown("operator", &id))?;
    Ok(reply::from_snapshot(data(Row::from(operator)), &snapshot))
}

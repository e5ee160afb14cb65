//! `GET /operator/live`: how every operator of a selection stands now; online ones unless asked otherwise.

use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, Response};

use super::filters::OperatorFilters;
use super::live_row::Row;
use super::{Envelope, RestFault, caller, data, filters};
use crate::domain::Scope;
use crate::http::extract::{Params, freshness, reply};
use crate::http::services::Services;
use crate::projection::roster::Connection;
use crate::query;
use crate::query::people::operators_live::operators_live;

/// Lists operators, ascending by id.
#[utoipa::path(
    get,
    path = "/operator/live",
    params(OperatorFilters),
    responses((status = 200, description = "The operators of the selection", body = Envelope<Vec<Row>>), RestFault),
)]
pub async fn list_live(
    State(services): State<Services>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response<Body>, RestFault> {
    let query = query.unwrap_or_default();
    let query = Params::parse(query.as_bytes())?;
    let caller = caller(&services, &headers, &query)?;
    caller.require(Scope::OperatorsRead)?;
    let (filter, online) = filters::read(&query)?;
    let connection = if online.unwrap_or(true) { Connection::Online } else { Connection::OfflineSeenBefore };
    let freshness = freshness::current(&headers, &services)?;
    let snapshot = query::open(services.reader(), &caller, Scope::OperatorsRead, freshness).await?;
    let operators = operators_live(&snapshot.view, &filter, connection);
    let rows: Vec<Row> = operators.into_iter().map(Row::from).collect();
    Ok(reply::from_snapshot(data(rows), &snapshot))
}

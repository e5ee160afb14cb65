//! `GET /operator/live`: the live availability of the operators of a selection; by default of those online.

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Response};

use super::row::Row;
use crate::auth::OperatorsRead;
use crate::http::extract::long_answer::{Lists, json_in_slices};
use crate::http::extract::{Query, freshness, reply};
use crate::http::iadvize_rest::filters::OperatorFilters;
use crate::http::iadvize_rest::{Authenticated, Envelope, JSON, RestFault, SUCCESS, example, filters};
use crate::http::state::AppState;
use crate::limits::TurnKey;
use crate::projection::roster::Connection;
use crate::query;
use crate::query::people::operators_live::operators_live;

/// Lists operators' live availability, ascending by id.
///
/// Without `connected` those online, with `connected=0` those offline that were online before. An operator must match all
/// filters, and of one filter any value. 503 if the state is too old to act on. Scope: `operators:read`.
#[utoipa::path(
    get,
    path = "/operator/live",
    params(OperatorFilters),
    responses((status = 200, description = "The operators of the selection", body = Envelope<Vec<Row>>, example = json!(example([Row::example()]))), RestFault),
)]
pub async fn list_live(
    State(app): State<AppState>,
    caller: Authenticated<OperatorsRead>,
    query: Query<RestFault>,
    headers: HeaderMap,
) -> Result<Response<Body>, RestFault> {
    let (filter, online) = filters::read(&query)?;
    let connection = if online.unwrap_or(true) { Connection::Online } else { Connection::OfflineSeenBefore };
    let freshness = freshness::current(&headers, &app)?;
    let snapshot = query::open(app.reader(), &caller, freshness).await?;
    let is_long = query::is_long_list(&snapshot.view, &filter, connection);
    let view = snapshot.view.clone();
    let begin = move || {
        let empty = Envelope { meta: SUCCESS, data: Vec::<Row>::new(), pagination: None };
        Lists::within(&empty, "data", operators_live(&view, &filter, connection).map(Row::from))
    };
    let answer = json_in_slices(&app, TurnKey::Tenant(caller.tenant()), is_long, JSON, begin).await?;
    Ok(reply::from_snapshot(answer, &snapshot))
}

//! `GET /operator`: lists the operators of a selection, page by page.

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Response};

use super::row::{Item, Row};
use crate::auth::OperatorsRead;
use crate::http::extract::{Query, freshness, reply};
use crate::http::iadvize_rest::filters::OperatorFilters;
use crate::http::iadvize_rest::paging::Paging;
use crate::http::iadvize_rest::{Authenticated, Envelope, RestFault, filters, page};
use crate::http::state::AppState;
use crate::limits::TurnKey;
use crate::projection::roster::Connection;
use crate::query;
use crate::query::people::operators::operators;

/// Lists operators, ascending by id.
#[utoipa::path(
    get,
    operation_id = "list_operators",
    path = "/operator",
    params(OperatorFilters, Paging),
    responses((status = 200, description = "One page", body = Envelope<Vec<Item>>), RestFault),
)]
pub async fn list(
    State(app): State<AppState>,
    caller: Authenticated<OperatorsRead>,
    query: Query<RestFault>,
    headers: HeaderMap,
) -> Result<Response<Body>, RestFault> {
    let (filter, online) = filters::read(&query)?;
    let paging = Paging::read(&query)?;
    let connection = match online {
        None => Connection::Any,
        Some(true) => Connection::Online,
        Some(false) => Connection::Offline,
    };
    let freshness = freshness::any_age(&headers)?;
    let snapshot = query::open(app.reader(), &caller, freshness).await?;
    let is_long = query::is_long_list(&snapshot.view, &filter, connection);
    let view = snapshot.view.clone();
    let answer = move || {
        let found = operators(&view, &filter, connection);
        let (part, pagination) = paging.of(&found);
        Ok(if paging.full {
            page(&part.iter().map(|profile| Row::from(&***profile)).collect::<Vec<_>>(), pagination)
        } else {
            page(&part.iter().map(|profile| Item::from(&***profile)).collect::<Vec<_>>(), pagination)
        })
    };
    let answer = app.read(TurnKey::Tenant(caller.tenant()), is_long, answer).await?;
    Ok(reply::from_snapshot(answer, &snapshot))
}

//! `GET /operator`: lists the operators of a selection, page by page.

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Response};

use super::row::{Item, Page, Row};
use crate::auth::OperatorsRead;
use crate::http::extract::{Query, freshness, reply};
use crate::http::iadvize_rest::filters::OperatorFilters;
use crate::http::iadvize_rest::paging::Paging;
use crate::http::iadvize_rest::{Authenticated, RestFault, example_page, filters, page};
use crate::http::state::AppState;
use crate::limits::TurnKey;
use crate::projection::roster::Connection;
use crate::query;
use crate::query::people::operators::operators;

/// Lists operators, ascending by id.
///
/// An operator must match all filters, and of one filter any value. Each item has an id and a link, or with `full=1` every
/// field. Past the last page the list is empty, and `page` is the number of the last one. Scope: `operators:read`.
#[utoipa::path(
    get,
    operation_id = "list_operators",
    path = "/operator",
    params(OperatorFilters, Paging),
    responses((status = 200, description = "One page", body = Page, example = json!(example_page(Item::example()))), RestFault),
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
    let (view, base) = (snapshot.view.clone(), app.edge().base_path.clone());
    let answer = move || {
        let found = operators(&view, &filter, connection);
        let (part, pagination) = paging.of(&found);
        Ok(if paging.full {
            page(&part.iter().map(|profile| Row::new(profile, &base)).collect::<Vec<_>>(), pagination)
        } else {
            page(&part.iter().map(|profile| Item::new(profile, &base)).collect::<Vec<_>>(), pagination)
        })
    };
    let answer = app.read(TurnKey::Tenant(caller.tenant()), is_long, answer).await?;
    Ok(reply::from_snapshot(answer, &snapshot))
}

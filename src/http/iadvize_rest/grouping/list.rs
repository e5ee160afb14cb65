//! `GET /group` and `GET /skill`, page by page.

use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, Response};

use super::Resource;
use super::row::{Item, Row};
use crate::domain::Scope;
use crate::http::extract::{Params, freshness, reply};
use crate::http::iadvize_rest::filters::ids;
use crate::http::iadvize_rest::paging::Paging;
use crate::http::iadvize_rest::{Envelope, RestFault, caller, page};
use crate::http::services::Services;
use crate::query::groupings::{Wanted, described, groupings};

/// Lists groups, ascending by id.
#[utoipa::path(
    get,
    path = "/group",
    params(("filters[parent_id]" = Option<String>, Query, description = "What it lies in: ids or GUIDs, with commas"), Paging),
    responses((status = 200, description = "One page", body = Envelope<Vec<Item>>), RestFault),
)]
pub async fn list_groups(
    services: State<Services>,
    query: RawQuery,
    headers: HeaderMap,
) -> Result<Response<Body>, RestFault> {
    list(Resource::Group, services, query, headers).await
}

/// Lists skills, ascending by id.
#[utoipa::path(
    get,
    path = "/skill",
    params(("filters[parent_id]" = Option<String>, Query, description = "What it lies in: ids or GUIDs, with commas"), ("filters[operator_id]" = Option<String>, Query, description = "Who has it: ids or GUIDs, with commas"), Paging),
    responses((status = 200, description = "One page", body = Envelope<Vec<Item>>), RestFault),
)]
pub async fn list_skills(
    services: State<Services>,
    query: RawQuery,
    headers: HeaderMap,
) -> Result<Response<Body>, RestFault> {
    list(Resource::Skill, services, query, headers).await
}

async fn list(
    resource: Resource,
    State(services): State<Services>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response<Body>, RestFault> {
    let query = query.unwrap_or_default();
    let query = Params::parse(query.as_bytes())?;
    let caller = caller(&services, &headers, &query)?;
    caller.require(Scope::OperatorsRead)?;
    let operators = match resource {
        Resource::Group => Vec::new(),
        Resource::Skill => ids(&query, "filters[operator_id]")?,
    };
    let wanted = Wanted { parents: ids(&query, "filters[parent_id]")?, operators };
    let paging = Paging::read(&query)?;
    let freshness = freshness::any_age(&headers)?;
    let snapshot = crate::query::open(services.reader(), &caller, Scope::OperatorsRead, freshness).await?;
    let (view, dimension) = (&snapshot.view, resource.dimension());
    let found = groupings(view, dimension, &wanted);
    let (part, pagination) = paging.of(&found);
    let answer = if paging.full {
        let row = |entity| Row::new(resource, described(view, dimension, entity));
        page(&part.iter().copied().map(row).collect::<Vec<_>>(), pagination)
    } else {
        page(&part.iter().map(|entity| Item::new(resource, entity.id)).collect::<Vec<_>>(), pagination)
    };
    Ok(reply::from_snapshot(answer, &snapshot))
}

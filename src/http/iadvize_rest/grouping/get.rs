//! `GET /group/{id}` and `GET /skill/{id}`.

use axum::body::Body;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, Response};

use super::Resource;
use super::row::Row;
use crate::http::extract::{freshness, reply};
use crate::http::iadvize_rest::{Envelope, RestFault, data, open};
use crate::http::services::Services;
use crate::query::groupings::grouping;

/// Shows one group.
#[utoipa::path(
    get,
    path = "/group/{id}",
    params(("id" = String, Path, description = "Integer id or GUID")),
    responses((status = 200, description = "The group", body = Envelope<Row>), RestFault),
)]
pub async fn get_group(
    services: State<Services>,
    id: Path<String>,
    query: RawQuery,
    headers: HeaderMap,
) -> Result<Response<Body>, RestFault> {
    get(Resource::Group, services, id, query, headers).await
}

/// Shows one skill.
#[utoipa::path(
    get,
    path = "/skill/{id}",
    params(("id" = String, Path, description = "Integer id or GUID")),
    responses((status = 200, description = "The skill", body = Envelope<Row>), RestFault),
)]
pub async fn get_skill(
    services: State<Services>,
    id: Path<String>,
    query: RawQuery,
    headers: HeaderMap,
) -> Result<Response<Body>, RestFault> {
    get(Resource::Skill, services, id, query, headers).await
}

async fn get(
    resource: Resource,
    State(services): State<Services>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response<Body>, RestFault> {
    let snapshot = open(&services, &headers, query, freshness::any_age(&headers)).await?;
    let found = id.parse().ok().and_then(|reference| grouping(&snapshot.view, resource.dimension(), reference));
    let found = found.ok_or_else(|| RestFault::unknown(resource.name(), &id))?;
    Ok(reply::from_snapshot(data(Row::new(resource, found)), &snapshot))
}

//! `GET /group/{id}` and `GET /skill/{id}`: one group or skill with every field.

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Response};

use super::Resource;
use super::row::Row;
use crate::auth::OperatorsRead;
use crate::http::extract::{PathId, freshness, reply};
use crate::http::iadvize_rest::{Authenticated, Envelope, RestFault, data, example};
use crate::http::state::AppState;
use crate::limits::TurnKey;
use crate::projection::roster::Connection;
use crate::query;
use crate::query::groupings::{described, entity, members};

/// Returns one group.
///
/// `parent_list` are the groups above it, the nearest first, and `operator_list` its members. Scope: `operators:read`.
#[utoipa::path(
    get,
    path = "/group/{id}",
    params(("id" = String, Path, description = "Integer id or GUID", example = "1")),
    responses((status = 200, description = "The group", body = Envelope<Row>, example = json!(example(Row::example(Resource::Group)))), RestFault),
)]
pub async fn get_group(
    app: State<AppState>,
    caller: Authenticated<OperatorsRead>,
    id: PathId,
    headers: HeaderMap,
) -> Result<Response<Body>, RestFault> {
    get(Resource::Group, app, caller, id, headers).await
}

/// Returns one skill.
///
/// `operator_list` are the operators who have it. Scope: `operators:read`.
#[utoipa::path(
    get,
    path = "/skill/{id}",
    params(("id" = String, Path, description = "Integer id or GUID", example = "1")),
    responses((status = 200, description = "The skill", body = Envelope<Row>, example = json!(example(Row::example(Resource::Skill)))), RestFault),
)]
pub async fn get_skill(
    app: State<AppState>,
    caller: Authenticated<OperatorsRead>,
    id: PathId,
    headers: HeaderMap,
) -> Result<Response<Body>, RestFault> {
    get(Resource::Skill, app, caller, id, headers).await
}

async fn get(
    resource: Resource,
    State(app): State<AppState>,
    caller: Authenticated<OperatorsRead>,
    PathId(id): PathId,
    headers: HeaderMap,
) -> Result<Response<Body>, RestFault> {
    let snapshot = query::open(app.reader(), &caller, freshness::any_age(&headers)?).await?;
    let dimension = resource.dimension();
    let found = id.parse().ok().and_then(|reference| entity(&snapshot.view, dimension, reference).cloned());
    let found = found.ok_or_else(|| RestFault::unknown(resource.name(), &id))?;
    let is_long = query::is_long_list(&snapshot.view, &members(dimension, &found), Connection::Any);
    let (view, base) = (snapshot.view.clone(), app.edge().base_path.clone());
    // The row lists its members, which may be all users of the tenant.
    let answer = move || Ok(data(Row::new(resource, described(&view, dimension, &found), &base)));
    let answer = app.read(TurnKey::Tenant(caller.tenant()), is_long, answer).await?;
    Ok(reply::from_snapshot(answer, &snapshot))
}

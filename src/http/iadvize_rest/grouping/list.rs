//! `GET /group` and `GET /skill`: list groups or skills, page by page.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Response};
use utoipa::IntoParams;
use utoipa::openapi::path::{Parameter, ParameterIn};

use super::Resource;
use super::row::{Item, Page, Row};
use crate::auth::OperatorsRead;
use crate::http::describe;
use crate::http::extract::long_answer::{Lists, json_in_slices};
use crate::http::extract::{Query, freshness, reply};
use crate::http::iadvize_rest::filters::ids;
use crate::http::iadvize_rest::paging::Paging;
use crate::http::iadvize_rest::{Authenticated, Envelope, JSON, RestFault, SUCCESS, example_page, page};
use crate::http::state::AppState;
use crate::limits::TurnKey;
use crate::query::groupings::{GroupingFilter, described, groupings, is_long};

/// The filter of groups and skills by their parent.
const PARENT: &str = "filters[parent_id]";

/// The filter of skills by their members.
const OPERATOR: &str = "filters[operator_id]";

/// [`PARENT`], for the OpenAPI description.
struct ParentFilter;

impl IntoParams for ParentFilter {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        vec![describe::list_parameter(PARENT, "Those directly below any of these parents: ids or GUIDs", &["1"])]
    }
}

/// [`OPERATOR`], for the OpenAPI description.
struct OperatorFilter;

impl IntoParams for OperatorFilter {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        vec![describe::list_parameter(OPERATOR, "Skills of any of these operators: ids or GUIDs", &["101"])]
    }
}

/// Lists groups, ascending by id.
///
/// Each item has an id and a link, or with `full=1` every field. Past the last page the list is empty. Scope:
/// `operators:read`.
#[utoipa::path(
    get,
    path = "/group",
    params(ParentFilter, Paging),
    responses((status = 200, description = "One page", body = Page, example = json!(example_page(Item::example(Resource::Group)))), RestFault),
)]
pub async fn list_groups(
    app: State<AppState>,
    caller: Authenticated<OperatorsRead>,
    query: Query<RestFault>,
    headers: HeaderMap,
) -> Result<Response<Body>, RestFault> {
    list(Resource::Group, app, caller, query, headers).await
}

/// Lists skills, ascending by id.
///
/// Each item has an id and a link, or with `full=1` every field. A skill must match all filters, and of one filter any
/// value. Scope: `operators:read`.
#[utoipa::path(
    get,
    path = "/skill",
    params(ParentFilter, OperatorFilter, Paging),
    responses((status = 200, description = "One page", body = Page, example = json!(example_page(Item::example(Resource::Skill)))), RestFault),
)]
pub async fn list_skills(
    app: State<AppState>,
    caller: Authenticated<OperatorsRead>,
    query: Query<RestFault>,
    headers: HeaderMap,
) -> Result<Response<Body>, RestFault> {
    list(Resource::Skill, app, caller, query, headers).await
}

async fn list(
    resource: Resource,
    State(app): State<AppState>,
    caller: Authenticated<OperatorsRead>,
    query: Query<RestFault>,
    headers: HeaderMap,
) -> Result<Response<Body>, RestFault> {
    let operators = match resource {
        Resource::Group => Vec::new(),
        Resource::Skill => ids(&query, OPERATOR)?,
    };
    let filter = GroupingFilter { parents: ids(&query, PARENT)?, operators };
    let paging = Paging::read(&query)?;
    let freshness = freshness::any_age(&headers)?;
    let snapshot = crate::query::open(app.reader(), &caller, freshness).await?;
    let key = TurnKey::Tenant(caller.tenant());
    let (view, dimension) = (snapshot.view.clone(), resource.dimension());
    let is_long = is_long(&view, dimension, paging.full);
    let find = move || {
        let found = groupings(&view, dimension, &filter);
        let (part, pagination) = paging.of(&found);
        Ok((part.iter().map(|entity| Arc::clone(entity)).collect::<Vec<_>>(), pagination))
    };
    let (part, pagination) = app.read(key, is_long, find).await?;
    let answer = if paging.full {
        // Each row lists its members, which may be all users of the tenant.
        let (view, base) = (snapshot.view.clone(), app.edge().base_path.clone());
        let begin = move || {
            let empty = Envelope { meta: SUCCESS, data: Vec::<Row>::new(), pagination: Some(pagination) };
            let rows =
                part.into_iter().map(move |entity| Row::new(resource, described(&view, dimension, &entity), &base));
            Lists::within(&empty, "data", rows)
        };
        json_in_slices(&app, key, is_long, JSON, begin).await?
    } else {
        page(
            &part.iter().map(|entity| Item::new(resource, entity.id, &app.edge().base_path)).collect::<Vec<_>>(),
            pagination,
        )
    };
    Ok(reply::from_snapshot(answer, &snapshot))
}

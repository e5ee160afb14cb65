//! `/v1/tenants`: creates, lists and deletes tenants, for the administrator.

use std::ops::RangeInclusive;

use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::http::{Response, StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Document, EXAMPLE_TENANT, TenantPath, tenant_id};
use crate::auth::Admin;
use crate::command;
use crate::domain::ids::parse_guid;
use crate::domain::{Fault, TenantId, Time};
use crate::http::describe;
use crate::http::extract::{Params, PathId, reply};
use crate::http::fault::NativeFault;
use crate::http::state::AppState;
use crate::query;

/// Allowed numbers of tenants on a page.
const LIMITS: RangeInclusive<u32> = 1..=1_000;
/// Number of tenants on a page if none is given.
const USUAL_LIMIT: u32 = 100;

/// A tenant to be created.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewTenant {
    name: String,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Tenant)]
struct Answer<'a> {
    #[schema(value_type = Uuid)]
    id: TenantId,
    name: &'a str,
}

/// A page of tenants. `next` is the `after` of the next page; `null` on the last.
#[derive(Serialize, ToSchema)]
#[schema(as = TenantPage)]
struct Page {
    tenants: Vec<Listed>,
    #[schema(value_type = Option<Uuid>, required)]
    next: Option<TenantId>,
}

impl Page {
    fn example() -> Self {
        let tenant = Listed {
            id: TenantId(EXAMPLE_TENANT),
            name: String::from("Acme"),
            created: describe::EXAMPLE_TIME,
            quarantined: false,
        };
        Page { tenants: vec![tenant], next: None }
    }
}

/// A tenant in a list. `quarantined` is true while it is out of service.
#[derive(Serialize, ToSchema)]
#[schema(as = ListedTenant)]
struct Listed {
    #[schema(value_type = Uuid)]
    id: TenantId,
    name: String,
    #[schema(value_type = String, format = DateTime)]
    created: Time,
    quarantined: bool,
}

/// Creates a tenant; 409 if the name is taken.
///
/// The name has 1 to 256 bytes. The tenant has no key yet. For the administrator.
#[utoipa::path(
    post,
    path = "/v1/tenants",
    request_body(content = NewTenant, example = json!({ "name": "Acme" })),
    responses((status = 201, description = "The new tenant", body = Answer, example = json!(Answer { id: TenantId(EXAMPLE_TENANT), name: "Acme" })), NativeFault),
)]
pub async fn create_tenant(
    State(app): State<AppState>,
    admin: Admin,
    Document(wanted): Document<NewTenant>,
) -> Result<Response<Body>, NativeFault> {
    let tenant = command::tenants::create_tenant::create_tenant(&admin, app.store(), app.clock(), &wanted.name).await?;
    Ok(reply::json(201, "application/json", &Answer { id: tenant.id, name: &tenant.name }))
}

/// Lists the tenants in the order of their ids, which is that of their creation, page by page.
///
/// `next` is the `after` of the next page, and `null` on the last one. For the administrator.
#[utoipa::path(
    get,
    path = "/v1/tenants",
    params(
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 1000, example = 100, description = "Most tenants on the page; 100 if absent"),
        ("after" = Option<Uuid>, Query, example = "018f2f6e-0000-7000-8000-000000000001", description = "The id after which the page begins: `next` of the page before"),
    ),
    responses((status = 200, description = "A page of tenants", body = Page, example = json!(Page::example())), NativeFault),
)]
pub async fn list_tenants(
    State(app): State<AppState>,
    admin: Admin,
    RawQuery(query): RawQuery,
) -> Result<Response<Body>, NativeFault> {
    let params = Params::parse(query.as_deref().unwrap_or_default().as_bytes())?;
    let (limit, after) = (limit(&params)?, after(&params)?);
    let (tenants, has_more) = query::keys::tenants_after(&admin, app.store(), after, limit).await?;
    let next = tenants.last().filter(|_| has_more).map(|tenant| tenant.id);
    let listed = tenants.into_iter().map(|tenant| Listed {
        id: tenant.id,
        name: tenant.name,
        created: tenant.created,
        quarantined: app.reader().out_of_service(tenant.id).is_some(),
    });
    Ok(reply::json(200, "application/json", &Page { tenants: listed.collect(), next }))
}

fn limit(params: &Params<'_>) -> Result<u32, Fault> {
    let Some(text) = params.one("limit")? else { return Ok(USUAL_LIMIT) };
    let limit = text.parse().ok().filter(|limit| LIMITS.contains(limit));
    limit.ok_or_else(|| Fault::misfit_text("limit", "must be from 1 to 1000", text))
}

fn after(params: &Params<'_>) -> Result<Option<TenantId>, Fault> {
    let Some(text) = params.one("after")? else { return Ok(None) };
    let id = parse_guid(text).ok_or_else(|| Fault::misfit_text("after", "must be the id of a tenant", text))?;
    Ok(Some(TenantId(id)))
}

/// Deletes a tenant with all of its data.
///
/// When this answers, its keys and tokens are invalid, its desks are being closed, its name is free and it is 404 here.
/// Its rows are then deleted from the store in the background. For the administrator.
#[utoipa::path(
    delete,
    path = "/v1/tenants/{tenant}",
    params(TenantPath),
    responses((status = 204, description = "Deleted"), NativeFault),
)]
pub async fn delete_tenant(
    State(app): State<AppState>,
    admin: Admin,
    PathId(tenant): PathId,
) -> Result<StatusCode, NativeFault> {
    let tenant = tenant_id(&tenant)?;
    command::tenants::delete_tenant::delete_tenant(&admin, app.store(), app.settings(), app.clock(), tenant).await?;
    Ok(StatusCode::NO_CONTENT)
}

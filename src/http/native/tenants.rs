//! `POST /v1/tenants`: creates a tenant, for the administrator.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::Response;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{admin, document};
use crate::command;
use crate::domain::TenantId;
use crate::http::extract::body::DIALECT_LIMIT;
use crate::http::extract::{read_body, reply};
use crate::http::fault::NativeFault;
use crate::http::state::AppState;

#[derive(Deserialize, ToSchema)]
struct NewTenant {
    name: String,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Tenant)]
struct Answer<'a> {
    #[schema(value_type = String)]
    id: TenantId,
    name: &'a str,
}

/// Creates a tenant; 409 if the name is taken.
#[utoipa::path(
    post,
    path = "/v1/tenants",
    request_body(content = NewTenant),
    responses((status = 201, description = "The new tenant", body = Answer), NativeFault),
)]
pub async fn create_tenant(State(app): State<AppState>, request: Request) -> Result<Response<Body>, NativeFault> {
    let (parts, body) = request.into_parts();
    let admin = admin(&app, &parts.headers)?;
    let body = read_body(&parts.headers, body, DIALECT_LIMIT).await?;
    let wanted: NewTenant = document(&parts.headers, &body)?;
    let tenant = command::tenants::create_tenant::create_tenant(&admin, app.store(), app.clock(), &wanted.name).await?;
    Ok(reply::json(201, "application/json", &Answer { id: tenant.id, name: &tenant.name }))
}

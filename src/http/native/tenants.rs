//! `POST /v1/tenants`: creates a tenant, for the administrator.

use axum::body::Body;
use axum::extract::State;
use axum::http::Response;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Document;
use crate::auth::Admin;
use crate::command;
use crate::domain::TenantId;
use crate::http::extract::reply;
use crate::http::fault::NativeFault;
use crate::http::state::AppState;

/// A tenant to be created.
#[derive(Deserialize, ToSchema)]
pub struct NewTenant {
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
pub async fn create_tenant(
    State(app): State<AppState>,
    admin: Admin,
    Document(wanted): Document<NewTenant>,
) -> Result<Response<Body>, NativeFault> {
    let tenant = command::tenants::create_tenant::create_tenant(&admin, app.store(), app.clock(), &wanted.name).await?;
    Ok(reply::json(201, "application/json", &Answer { id: tenant.id, name: &tenant.name }))
}

//! `/v1/tenants/{id}/keys`: creates, lists and revokes a tenant's keys, for the administrator.

use axum::body::Body;
use axum::extract::State;
use axum::http::{Response, StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{Document, tenant_id};
use crate::auth::Admin;
use crate::command::tenants::create_key as command;
use crate::command::tenants::revoke_key::{KeyOf, revoke_key as revoke};
use crate::domain::ids::parse_guid;
use crate::domain::{Fault, Scope, Time};
use crate::http::extract::{PathId, PathIds, reply};
use crate::http::fault::NativeFault;
use crate::http::state::AppState;
use crate::query;
use crate::store::KeyRecord;

/// A key to be created.
#[derive(Deserialize, ToSchema)]
pub struct NewKey {
    name: String,
    #[schema(value_type = Vec<String>)]
    scopes: Vec<Scope>,
}

/// A new key. The key itself is shown in this answer only.
#[derive(Serialize, ToSchema)]
#[schema(as = KeyMade)]
struct Made<'a> {
    #[schema(value_type = String)]
    id: Uuid,
    key: &'a str,
    #[schema(value_type = Vec<String>)]
    scopes: &'a [Scope],
}

/// The keys of a tenant.
#[derive(Serialize, ToSchema)]
struct Keys {
    keys: Vec<Listed>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Key)]
struct Listed {
    #[schema(value_type = String)]
    id: Uuid,
    name: String,
    prefix: String,
    #[schema(value_type = Vec<String>)]
    scopes: Vec<Scope>,
    #[schema(value_type = String)]
    created: Time,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    revoked: Option<Time>,
}

impl From<KeyRecord> for Listed {
    fn from(key: KeyRecord) -> Self {
        let KeyRecord { id, name, prefix, scopes, created, revoked, .. } = key;
        Listed { id, name, prefix, scopes, created, revoked }
    }
}

/// Creates a key of the tenant.
#[utoipa::path(
    post,
    path = "/v1/tenants/{tenant}/keys",
    params(("tenant" = String, Path, description = "The tenant's id")),
    request_body(content = NewKey),
    responses((status = 201, description = "The new key; it is shown here only", body = Made), NativeFault),
)]
pub async fn create_key(
    State(app): State<AppState>,
    admin: Admin,
    PathId(tenant): PathId,
    Document(wanted): Document<NewKey>,
) -> Result<Response<Body>, NativeFault> {
    let tenant = tenant_id(&tenant)?;
    let wanted = command::NewKey { tenant, name: &wanted.name, scopes: wanted.scopes };
    let made = command::create_key(&admin, app.store(), app.credentials(), app.clock(), wanted).await?;
    let (key, secret) = made;
    let made = Made { id: key.id, key: secret.reveal(), scopes: &key.scopes };
    Ok(reply::json(201, "application/json", &made))
}

/// Lists the keys of the tenant, revoked ones included, without the keys themselves.
#[utoipa::path(
    get,
    path = "/v1/tenants/{tenant}/keys",
    params(("tenant" = String, Path, description = "The tenant's id")),
    responses((status = 200, description = "All keys, without the keys themselves", body = Keys), NativeFault),
)]
pub async fn list_keys(
    State(app): State<AppState>,
    admin: Admin,
    PathId(tenant): PathId,
) -> Result<Response<Body>, NativeFault> {
    let keys = query::keys::keys(&admin, app.store(), tenant_id(&tenant)?).await?;
    let keys = Keys { keys: keys.into_iter().map(Listed::from).collect() };
    Ok(reply::json(200, "application/json", &keys))
}

/// Revokes a key; it no longer works once the answer is sent.
#[utoipa::path(
    delete,
    path = "/v1/tenants/{tenant}/keys/{key}",
    params(("tenant" = String, Path, description = "The tenant's id"), ("key" = String, Path, description = "The key's id")),
    responses((status = 204, description = "Revoked"), NativeFault),
)]
pub async fn revoke_key(
    State(app): State<AppState>,
    admin: Admin,
    PathIds([tenant, key]): PathIds<2>,
) -> Result<StatusCode, NativeFault> {
    let tenant = tenant_id(&tenant)?;
    let key = parse_guid(&key).ok_or(Fault::NotFound("key"))?;
    revoke(&admin, app.store(), app.credentials(), app.clock(), KeyOf { tenant, key }).await?;
    Ok(StatusCode::NO_CONTENT)
}

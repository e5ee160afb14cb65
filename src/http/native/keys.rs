//! `/v1/tenants/{id}/keys`: creates, lists and revokes a tenant's keys, for the administrator.

use axum::body::Body;
use axum::extract::State;
use axum::http::{Response, StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::scope_name::ScopeName;
use super::{Document, EXAMPLE_KEY, TenantPath, tenant_id};
use crate::auth::Admin;
use crate::command::tenants::create_key as command;
use crate::command::tenants::revoke_key::{KeyOf, revoke_key as revoke};
use crate::domain::ids::parse_guid;
use crate::domain::{Fault, Scope, Time};
use crate::http::describe;
use crate::http::extract::{PathId, PathIds, reply};
use crate::http::fault::NativeFault;
use crate::http::state::AppState;
use crate::query;
use crate::store::KeyRecord;

/// A key to be created.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewKey {
    name: String,
    #[schema(value_type = Vec<ScopeName>)]
    scopes: Vec<Scope>,
}

/// A new key. The key itself is shown in this answer only.
#[derive(Serialize, ToSchema)]
#[schema(as = KeyMade)]
struct Made<'a> {
    id: Uuid,
    key: &'a str,
    #[schema(value_type = Vec<ScopeName>)]
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
    id: Uuid,
    name: String,
    prefix: String,
    #[schema(value_type = Vec<ScopeName>)]
    scopes: Vec<Scope>,
    #[schema(value_type = String, format = DateTime)]
    created: Time,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    revoked: Option<Time>,
}

impl Keys {
    fn example() -> Self {
        let key = Listed {
            id: EXAMPLE_KEY,
            name: String::from("telephone system"),
            prefix: String::from("rk_1a2b3c4d"),
            scopes: vec![Scope::EventsWrite],
            created: describe::EXAMPLE_TIME,
            revoked: None,
        };
        Keys { keys: vec![key] }
    }
}

impl From<KeyRecord> for Listed {
    fn from(key: KeyRecord) -> Self {
        let KeyRecord { id, name, prefix, scopes, created, revoked, .. } = key;
        Listed { id, name, prefix, scopes, created, revoked }
    }
}

/// Creates a key of the tenant.
///
/// The key is in this answer only, and works once the answer is sent. At least one scope is needed; `*` is all of them. For
/// the administrator.
#[utoipa::path(
    post,
    path = "/v1/tenants/{tenant}/keys",
    params(TenantPath),
    request_body(content = NewKey, example = json!({ "name": "telephone system", "scopes": [Scope::EventsWrite, Scope::OperatorsRead] })),
    responses((status = 201, description = "The new key; it is shown here only", body = Made, example = json!(Made { id: EXAMPLE_KEY, key: "rk_…", scopes: &[Scope::EventsWrite, Scope::OperatorsRead] })), NativeFault),
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
///
/// `prefix` is the beginning of the key, by which it can be recognised. For the administrator.
#[utoipa::path(
    get,
    path = "/v1/tenants/{tenant}/keys",
    params(TenantPath),
    responses((status = 200, description = "All keys, without the keys themselves", body = Keys, example = json!(Keys::example())), NativeFault),
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
///
/// The tokens that were issued for it end as well, and so do the desks that it opened. For the administrator.
#[utoipa::path(
    delete,
    path = "/v1/tenants/{tenant}/keys/{key}",
    params(TenantPath, ("key" = Uuid, Path, description = "The key's id", example = "018f2f6e-0000-7000-8000-000000000002")),
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

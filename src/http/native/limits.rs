//! `GET` and `PUT /v1/tenants/{tenant}/limits`: returns and replaces a tenant's quotas, for the administrator.

use std::borrow::Cow;

use axum::body::Body;
use axum::extract::State;
use axum::http::Response;
use utoipa::openapi::schema::SchemaType;
use utoipa::openapi::{ObjectBuilder, RefOr, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use super::{Document, TenantPath, not_deleted, tenant_id};
use crate::auth::Admin;
use crate::command::tenants::set_limits as change;
use crate::domain::{Quota, Quotas};
use crate::http::extract::{PathId, reply};
use crate::http::fault::NativeFault;
use crate::http::state::AppState;
use crate::query;

/// OpenAPI schema of the limits in force.
struct Limits;

impl PartialSchema for Limits {
    fn schema() -> RefOr<Schema> {
        let limit = |object: ObjectBuilder, quota: Quota| {
            let integer = ObjectBuilder::new().schema_type(Type::Integer).description(Some(meaning(quota)));
            object.property(quota.name(), within(integer, quota)).required(quota.name())
        };
        Quota::ALL.into_iter().fold(ObjectBuilder::new(), limit).into()
    }
}

impl ToSchema for Limits {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("TenantLimits")
    }
}

/// OpenAPI schema of the limits to set.
struct Changes;

impl PartialSchema for Changes {
    fn schema() -> RefOr<Schema> {
        let limit = |object: ObjectBuilder, quota: Quota| {
            let or_null = ObjectBuilder::new().schema_type(SchemaType::from_iter([Type::Integer, Type::Null]));
            let described =
                or_null.description(Some(format!("{}. Default: {}", meaning(quota), quota.default_limit())));
            object.property(quota.name(), within(described, quota))
        };
        Quota::ALL.into_iter().fold(ObjectBuilder::new(), limit).into()
    }
}

impl ToSchema for Changes {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("LimitsToSet")
    }
}

fn within(limit: ObjectBuilder, quota: Quota) -> ObjectBuilder {
    limit.minimum(Some(*quota.range().start())).maximum(Some(*quota.range().end()))
}

const fn meaning(quota: Quota) -> &'static str {
    match quota {
        Quota::Users => "Users, including deleted ones that are still remembered",
        Quota::Entities => "Entities of reference data: groups, skills, projects and the other kinds, without users",
        Quota::Sessions => "Open sessions of all users",
        Quota::SessionsPerUser => "Open sessions of one user that were opened by POST /v1/events",
        Quota::Slots => "Conversations held by all users",
        Quota::SlotsPerUser => "Conversations held by one user on all channels, and those in one slots.synced event",
        Quota::Conversations => "Conversations with a history: open ones, and closed ones until they are archived",
        Quota::Tombstones => "Ended objects that are remembered; above the limit the oldest are forgotten early",
    }
}

/// Returns every limit in force for the tenant.
///
/// A limit that was not set has its default. For the administrator.
#[utoipa::path(
    get,
    path = "/v1/tenants/{tenant}/limits",
    params(TenantPath),
    responses((status = 200, description = "Every limit in force", body = Limits, example = json!(Quotas::default().in_force())), NativeFault),
)]
pub async fn get_limits(
    State(app): State<AppState>,
    admin: Admin,
    PathId(tenant): PathId,
) -> Result<Response<Body>, NativeFault> {
    let tenant = query::keys::tenant(&admin, app.store(), tenant_id(&tenant)?).await?.id;
    let view = app.reader().snapshot(tenant).map_err(not_deleted)?.view;
    let answer = reply::json(200, "application/json", &view.limits().in_force());
    Ok(reply::at_position(answer, view.position()))
}

/// Replaces the tenant's limits.
///
/// An absent member or `null` means the default. Data above a lowered limit stays, except for `tombstones`; only
/// additions are rejected. The limits are in the journal before the answer is sent. For the administrator.
#[utoipa::path(
    put,
    path = "/v1/tenants/{tenant}/limits",
    params(TenantPath),
    request_body(content = Changes, example = json!({ "users": 5_000, "sessions": null })),
    responses((status = 200, description = "Every limit in force", body = Limits, example = json!(Quotas::default().in_force())), NativeFault),
)]
pub async fn put_limits(
    State(app): State<AppState>,
    admin: Admin,
    PathId(tenant): PathId,
    Document(limits): Document<Quotas>,
) -> Result<Response<Body>, NativeFault> {
    let tenant = query::keys::tenant(&admin, app.store(), tenant_id(&tenant)?).await?;
    let position = change::set_limits(&admin, app.submitter(), app.clock(), &tenant, limits).await;
    Ok(reply::at_position(reply::json(200, "application/json", &limits.in_force()), position.map_err(not_deleted)?))
}

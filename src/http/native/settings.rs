//! `GET` and `PATCH /v1/tenants/{tenant}`: returns and changes a tenant's settings, for the administrator.

use std::borrow::Cow;
use std::ops::RangeInclusive;

use axum::body::Body;
use axum::extract::State;
use axum::http::Response;
use serde::Serialize;
use utoipa::openapi::{ObjectBuilder, RefOr, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use super::{Document, EXAMPLE_TENANT, TenantPath, tenant_id};
use crate::auth::Admin;
use crate::command::tenants::set_settings as change;
use crate::domain::TenantId;
use crate::domain::settings::desk::{HEARTBEAT_SECONDS, LEASE_SECONDS};
use crate::domain::settings::{CONVERSATION_DAYS, SettingsPatch, WebhookSecret};
use crate::http::extract::{PathId, reply};
use crate::http::fault::NativeFault;
use crate::http::state::AppState;
use crate::query;
use crate::store::TenantRecord;

/// A tenant with its settings. `iadvize_webhooks` is true if the secret of the webhooks is set; it is never shown.
#[derive(Serialize, ToSchema)]
#[schema(as = TenantSettings)]
struct Answer<'a> {
    #[schema(value_type = Uuid)]
    id: TenantId,
    name: &'a str,
    conversation_text: bool,
    #[schema(required)]
    conversation_days: Option<u32>,
    iadvize_webhooks: bool,
    #[schema(required)]
    desk_lease_seconds: Option<u32>,
    #[schema(required)]
    desk_heartbeat_seconds: Option<u32>,
}

impl<'a> From<&'a TenantRecord> for Answer<'a> {
    fn from(tenant: &'a TenantRecord) -> Self {
        let settings = &tenant.settings;
        Answer {
            id: tenant.id,
            name: &tenant.name,
            conversation_text: settings.conversation_text,
            conversation_days: settings.conversation_days,
            iadvize_webhooks: settings.iadvize_secret.is_some(),
            desk_lease_seconds: settings.desk_lease_seconds,
            desk_heartbeat_seconds: settings.desk_heartbeat_seconds,
        }
    }
}

impl Answer<'_> {
    /// A tenant that keeps closed conversations for so many days, as an example.
    fn example(conversation_days: Option<u32>) -> Self {
        Answer {
            id: TenantId(EXAMPLE_TENANT),
            name: "Acme",
            conversation_text: false,
            conversation_days,
            iadvize_webhooks: false,
            desk_lease_seconds: None,
            desk_heartbeat_seconds: None,
        }
    }
}

/// OpenAPI schema of a change.
struct Changes;

impl PartialSchema for Changes {
    fn schema() -> RefOr<Schema> {
        let or_null =
            |kind| ObjectBuilder::new().schema_type(utoipa::openapi::schema::SchemaType::from_iter([kind, Type::Null]));
        let within = |range: RangeInclusive<u32>| {
            or_null(Type::Integer).minimum(Some(*range.start())).maximum(Some(*range.end()))
        };
        let bytes = WebhookSecret::BYTES;
        let secret = or_null(Type::String).min_length(Some(*bytes.start())).max_length(Some(*bytes.end()));
        let object = ObjectBuilder::new().property("conversation_text", or_null(Type::Boolean));
        let object = object.property("conversation_days", within(CONVERSATION_DAYS)).property("iadvize_secret", secret);
        let object = object.property("desk_lease_seconds", within(LEASE_SECONDS));
        object.property("desk_heartbeat_seconds", within(HEARTBEAT_SECONDS)).into()
    }
}

impl ToSchema for Changes {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("SettingsChanges")
    }
}

/// Returns the tenant with its settings.
///
/// A setting that is `null` has the service's default. For the administrator.
#[utoipa::path(
    get,
    path = "/v1/tenants/{tenant}",
    params(TenantPath),
    responses((status = 200, description = "The tenant with its settings", body = Answer, example = json!(Answer::example(None))), NativeFault),
)]
pub async fn get_tenant(
    State(app): State<AppState>,
    admin: Admin,
    PathId(tenant): PathId,
) -> Result<Response<Body>, NativeFault> {
    let tenant = query::keys::tenant(&admin, app.store(), tenant_id(&tenant)?).await?;
    Ok(reply::json(200, "application/json", &Answer::from(&tenant)))
}

/// Changes the settings that are given.
///
/// An absent member stays as it is; `null` restores the default. A change holds when it is answered. For the administrator.
#[utoipa::path(
    patch,
    path = "/v1/tenants/{tenant}",
    params(TenantPath),
    request_body(content = Changes, example = json!({ "conversation_days": 30, "desk_lease_seconds": null })),
    responses(
        (status = 200, description = "The tenant with its settings after the change", body = Answer, example = json!(Answer::example(Some(30)))),
        NativeFault,
    ),
)]
pub async fn set_settings(
    State(app): State<AppState>,
    admin: Admin,
    PathId(tenant): PathId,
    Document(patch): Document<SettingsPatch>,
) -> Result<Response<Body>, NativeFault> {
    let tenant = tenant_id(&tenant)?;
    let changes = change::SettingsChange { patch: &patch, usual: app.edge().desk };
    let tenant = change::set_settings(&admin, app.store(), app.settings(), tenant, changes).await?;
    Ok(reply::json(200, "application/json", &Answer::from(&tenant)))
}

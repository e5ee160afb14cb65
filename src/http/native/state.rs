//! `GET /v1/state` and `GET /v1/tenants/{tenant}/state`: the position of a tenant's state, and a digest by which two
//! servers' states are compared.

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Response, Uri};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::{Uuid, uuid};

use super::{Authenticated, TenantPath, tenant_id};
use crate::auth::{Admin, All};
use crate::domain::{Fault, TenantId, Time};
use crate::engine::Snapshot;
use crate::http::describe;
use crate::http::extract::params::truth;
use crate::http::extract::{Params, PathId, freshness, reply};
use crate::http::fault::NativeFault;
use crate::http::state::AppState;
use crate::limits::TurnKey;
use crate::query;
use crate::query::state::StateSummary;

/// A tenant's state as one server has it.
#[derive(Serialize, ToSchema)]
#[schema(as = TenantState)]
struct Answer {
    /// Position of the newest journal entry in the state.
    position: u64,
    /// Time at which that entry was recorded; `null` before the first.
    #[schema(value_type = Option<String>, format = DateTime, required)]
    recorded: Option<Time>,
    /// The server that answers, by an id that is made at each of its starts.
    replica: Uuid,
    /// Equal for equal states, and only for those: compare digests of one position.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    digest: Option<String>,
}

impl From<StateSummary> for Answer {
    fn from(summary: StateSummary) -> Self {
        let StateSummary { position, recorded, replica, digest } = summary;
        Answer { position, recorded, replica, digest }
    }
}

impl Answer {
    fn example() -> Self {
        Answer {
            position: 42,
            recorded: Some(describe::EXAMPLE_TIME),
            replica: uuid!("0b7d7c52-5b0b-4c43-9f2f-3c1f0f6f7a10"),
            digest: Some(String::from("42-9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08")),
        }
    }
}

/// Returns the position of the tenant's state.
///
/// With `digest=true` also a fingerprint of all of it, for which the server reads every user: two servers whose states are
/// at one position have equal digests. Scope: `*`.
#[utoipa::path(
    get,
    path = "/v1/state",
    params(
        ("digest" = Option<bool>, Query, example = true, description = "Whether the digest is wanted"),
    ),
    responses((status = 200, description = "The state's position", body = Answer, example = json!(Answer::example())), NativeFault),
)]
pub async fn get_state(
    State(app): State<AppState>,
    caller: Authenticated<All>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response<Body>, NativeFault> {
    let wants_digest = wants_digest(&uri)?;
    let snapshot = query::open(app.reader(), &caller, freshness::any_age(&headers)?).await?;
    answer(&app, caller.tenant(), &snapshot, wants_digest).await
}

/// Returns the position of a tenant's state.
///
/// As `GET /v1/state` does for the tenant itself. For the administrator.
#[utoipa::path(
    get,
    path = "/v1/tenants/{tenant}/state",
    params(
        TenantPath,
        ("digest" = Option<bool>, Query, example = true, description = "Whether the digest is wanted"),
    ),
    responses((status = 200, description = "The state's position", body = Answer, example = json!(Answer::example())), NativeFault),
)]
pub async fn get_tenant_state(
    State(app): State<AppState>,
    admin: Admin,
    PathId(tenant): PathId,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response<Body>, NativeFault> {
    let wants_digest = wants_digest(&uri)?;
    let (tenant, snapshot) = open_named(&app, &admin, &tenant, &headers).await?;
    answer(&app, tenant, &snapshot, wants_digest).await
}

/// Takes the newest view of the tenant that the administrator names in a path, whatever its age.
pub(super) async fn open_named(
    app: &AppState,
    admin: &Admin,
    tenant: &str,
    headers: &HeaderMap,
) -> Result<(TenantId, Snapshot), NativeFault> {
    let freshness = freshness::any_age(headers)?;
    let tenant = query::keys::tenant(admin, app.store(), tenant_id(tenant)?).await?.id;
    let snapshot = query::open_tenant(admin, app.reader(), tenant, freshness).await.map_err(super::not_deleted)?;
    Ok((tenant, snapshot))
}

/// Answers from the snapshot, or with the digest of a state that is at its position or later.
async fn answer(
    app: &AppState,
    tenant: TenantId,
    snapshot: &Snapshot,
    wants_digest: bool,
) -> Result<Response<Body>, NativeFault> {
    let replica = app.reader().replica();
    let summary = if wants_digest {
        let state = query::state::state(app.reader(), tenant, snapshot).await?;
        app.read(TurnKey::Tenant(tenant), true, move || Ok(StateSummary::with_digest(&state, replica))).await?
    } else {
        StateSummary::new(snapshot.view.position(), snapshot.view.recorded(), replica)
    };
    let position = summary.position;
    let answer = reply::from_snapshot(reply::json(200, "application/json", &Answer::from(summary)), snapshot);
    Ok(reply::at_position(answer, position))
}

pub(super) fn wants_digest(uri: &Uri) -> Result<bool, Fault> {
    let params = Params::parse(uri.query().unwrap_or_default().as_bytes())?;
    params.one("digest")?.map_or(Ok(false), |text| truth("digest", text))
}

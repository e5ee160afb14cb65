//! `GET /v1/tenants/{tenant}/self-check`: checks a tenant now. `GET /v1/self-check`: what the background check found last.

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Response, Uri};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::{Uuid, uuid};

use super::TenantPath;
use crate::auth::Admin;
use crate::domain::{Fault, Time};
use crate::http::describe;
use crate::http::extract::{PathId, reply};
use crate::http::fault::NativeFault;
use crate::http::state::AppState;
use crate::limits::TurnKey;
use crate::query;
use crate::query::state::StateSummary;
use crate::query::state::newest::{ChecksSummary, NewestCheck};
use crate::query::state::self_check::check;

/// The result of the check of a tenant.
#[derive(Serialize, ToSchema)]
#[schema(as = SelfCheck)]
struct Answer {
    /// Position of the newest journal entry in the state that was checked.
    position: u64,
    /// Time at which that entry was recorded; `null` before the first.
    #[schema(value_type = Option<String>, format = DateTime, required)]
    recorded: Option<Time>,
    /// The server that checked its state, by an id that is made at each of its starts.
    replica: Uuid,
    /// Number of users that were checked, with deleted ones that are remembered.
    users: u64,
    /// Number of counts that were checked.
    counts: u64,
    /// Number of differences. Any is a bug.
    difference_count: u64,
    /// The first differences, at most 20.
    differences: Vec<String>,
    /// Milliseconds that the check took, without the wait for its turn.
    duration_ms: u64,
    /// Equal for equal states, and only for those: compare digests of one position.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    digest: Option<String>,
}

impl Answer {
    fn example() -> Self {
        Answer {
            position: 42,
            recorded: Some(describe::EXAMPLE_TIME),
            replica: EXAMPLE_REPLICA,
            users: 120,
            counts: 410,
            difference_count: 1,
            differences: vec![String::from("user 31 is not among groups/2")],
            duration_ms: 1,
            digest: Some(String::from("42-9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08")),
        }
    }
}

/// What the background check of this server found last.
#[derive(Serialize, ToSchema)]
#[schema(as = SelfChecks)]
struct Summary {
    /// The server, by an id that is made at each of its starts.
    replica: Uuid,
    /// Time since which it checks: that of its start.
    #[schema(value_type = String, format = DateTime)]
    since: Time,
    /// Number of checks since then.
    checks: u64,
    /// Number of tenants that were checked and are in service.
    tenants: usize,
    /// Time of the oldest of their newest checks; `null` before the first.
    #[schema(value_type = Option<String>, format = DateTime, required)]
    oldest_check: Option<Time>,
    /// Number of differences in the newest checks. Any is a bug.
    difference_count: u64,
    /// Number of tenants whose newest check found differences.
    affected_count: usize,
    /// The first of these by id, at most 20.
    affected: Vec<Affected>,
}

/// A tenant whose newest check found differences.
#[derive(Serialize, ToSchema)]
#[schema(as = SelfCheckAffected)]
struct Affected {
    /// The tenant's id.
    tenant: Uuid,
    /// Position of the newest journal entry in the state that was checked.
    position: u64,
    /// Time of the check.
    #[schema(value_type = String, format = DateTime)]
    checked: Time,
    /// Number of differences.
    difference_count: u64,
    /// The first differences, at most 20.
    differences: Vec<String>,
}

const EXAMPLE_REPLICA: Uuid = uuid!("0b7d7c52-5b0b-4c43-9f2f-3c1f0f6f7a10");

impl Summary {
    fn of(summary: ChecksSummary, replica: Uuid) -> Self {
        let affected = summary.listed.into_iter().map(|(tenant, newest)| {
            let NewestCheck { checked, position, differences, texts } = newest;
            Affected { tenant: tenant.0, position, checked, difference_count: differences, differences: texts }
        });
        Summary {
            replica,
            since: summary.since,
            checks: summary.checks,
            tenants: summary.tenants,
            oldest_check: summary.oldest,
            difference_count: summary.differences,
            affected_count: summary.affected,
            affected: affected.collect(),
        }
    }

    fn example() -> Self {
        let differences = vec![String::from("user 31 is not among groups/2")];
        Summary {
            replica: EXAMPLE_REPLICA,
            since: describe::EXAMPLE_TIME,
            checks: 230,
            tenants: 3,
            oldest_check: Some(describe::EXAMPLE_TIME),
            difference_count: 1,
            affected_count: 1,
            affected: vec![Affected {
                tenant: super::EXAMPLE_TENANT,
                position: 42,
                checked: describe::EXAMPLE_TIME,
                difference_count: 1,
                differences,
            }],
        }
    }
}

/// Checks a tenant now.
///
/// Derives everything again that is kept or counted fast for the tenant, and compares: on a copy of the state, of this
/// server, while it goes on to serve. Takes about a second for each million users. With `digest=true` also a fingerprint of
/// the state. For the administrator.
#[utoipa::path(
    get,
    path = "/v1/tenants/{tenant}/self-check",
    params(
        TenantPath,
        ("digest" = Option<bool>, Query, example = true, description = "Whether the digest is wanted"),
    ),
    responses((status = 200, description = "What was found", body = Answer, example = json!(Answer::example())), NativeFault),
)]
pub async fn check_tenant(
    State(app): State<AppState>,
    admin: Admin,
    PathId(tenant): PathId,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response<Body>, NativeFault> {
    let wants_digest = super::state::wants_digest(&uri)?;
    let (tenant, snapshot) = super::state::open_named(&app, &admin, &tenant, &headers).await?;
    let state = query::state::state(app.reader(), tenant, &snapshot).await?;
    let (clock, replica) = (app.clock().clone(), app.reader().replica());
    let work = move || {
        let digest = wants_digest.then(|| state.digest());
        let began = clock.monotonic();
        let checked = check(state, &|| false).ok_or(Fault::Internal)?;
        let duration_ms = clock.monotonic().saturating_sub(began).as_millis() as u64;
        let StateSummary { position, recorded, .. } = StateSummary::new(checked.position, checked.recorded, replica);
        let (users, counts) = (checked.findings.users, checked.findings.counts);
        let (difference_count, differences) = (checked.findings.differences(), checked.findings.into_texts());
        Ok(Answer { position, recorded, replica, users, counts, difference_count, differences, duration_ms, digest })
    };
    let answer = app.read(TurnKey::Tenant(tenant), true, work).await?;
    let position = answer.position;
    let answer = reply::from_snapshot(reply::json(200, "application/json", &answer), &snapshot);
    Ok(reply::at_position(answer, position))
}

/// Returns what the background check of this server found last.
///
/// Each server checks the tenants in service one after the other, always. For the administrator.
#[utoipa::path(
    get,
    path = "/v1/self-check",
    responses((status = 200, description = "The newest results", body = Summary, example = json!(Summary::example())), NativeFault),
)]
pub async fn get_self_checks(State(app): State<AppState>, _: Admin) -> Response<Body> {
    let summary = Summary::of(app.newest_checks().summary(), app.reader().replica());
    reply::json(200, "application/json", &summary)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::TenantId;

    #[test]
    fn tenants_with_differences_are_listed() {
        let at = |seconds: i64| Time::from_micros(seconds * 1_000_000);
        let texts = vec![String::from("user 31 is not among groups/2")];
        let newest = NewestCheck { checked: at(2), position: 42, differences: 7, texts: texts.clone() };
        let summary = ChecksSummary {
            since: at(1),
            checks: 9,
            tenants: 3,
            oldest: Some(at(2)),
            differences: 7,
            affected: 1,
            listed: vec![(TenantId(super::super::EXAMPLE_TENANT), newest)],
        };
        let shown = serde_json::to_value(Summary::of(summary, EXAMPLE_REPLICA)).unwrap();
        let affected = serde_json::json!([{
            "tenant": super::super::EXAMPLE_TENANT,
            "position": 42,
            "checked": "1970-01-01T00:00:02Z",
            "difference_count": 7,
            "differences": texts,
        }]);
        let expected = serde_json::json!({
            "replica": EXAMPLE_REPLICA,
            "since": "1970-01-01T00:00:01Z",
            "checks": 9,
            "tenants": 3,
            "oldest_check": "1970-01-01T00:00:02Z",
            "difference_count": 7,
            "affected_count": 1,
            "affected": affected,
        });
        assert_eq!(shown, expected);
    }
}

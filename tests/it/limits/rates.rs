//! The request rate of a tenant: past it every route is rejected in its dialect, and other callers are not affected.

use std::collections::BTreeSet;
use std::time::Duration;

use reqwest::Method;
use rollcall::limits::TenantLimits;

use super::{Stage, is_throttled};
use crate::on_both_stores;
use crate::support::api::send;
use crate::support::desks::{directory, user_guid};
use crate::support::requests::{ADMINISTRATION, PUBLIC, dialect, is_answered, request};
use crate::support::routes::{Route, table};
use crate::support::signing::enable_webhooks;
use crate::support::{ADMIN, Backend};

on_both_stores!(every_route_is_rate_limited_in_its_dialect);

/// Returns the routes that take a tenant's credential.
fn routes() -> Vec<Route> {
    let apart: BTreeSet<&str> = PUBLIC.iter().chain(&ADMINISTRATION).map(|(path, _)| *path).collect();
    table().into_iter().filter(|route| !apart.contains(route.path.as_str())).collect()
}

async fn every_route_is_rate_limited_in_its_dialect(backend: Backend) {
    let stage = Stage::new(backend, TenantLimits { rate: 2, events: 0, at_a_time: 0 }).await;
    let Stage { service, clock, flooding, quiet } = &stage;
    for persona in [flooding, quiet] {
        service.api.put_directory(&persona.key, &directory(2)).await;
        enable_webhooks(&service.api, &persona.tenant).await;
    }
    let ask = async |key: &str, path: &str| service.api.get(key, path).await.expect("an answer").status;
    for _ in 0..3 {
        assert_eq!(ask(&flooding.key, "/operator/1/live").await, 200);
    }
    let position = service.position(&flooding.tenant);
    for route in routes() {
        let asked = request(&service.api, &route, Some(&flooding.key), &user_guid(1));
        let answer = send(asked).await.expect("an answer");
        assert!(is_throttled(dialect(&route), &answer, "1"), "{route:?}: {} {}", answer.status, answer.text);
    }
    assert_eq!(service.position(&flooding.tenant), position, "no rejected request had an effect");
    // Another tenant, the administrator and health checks are not limited by it.
    assert_eq!(ask(&quiet.key, "/operator/1/live").await, 200);
    for path in ["/", "/livez", "/readyz", "/metrics", "/openapi.json", "/docs/", "/graphiql"] {
        assert_eq!(ask(ADMIN, path).await, 200, "{path}");
    }
    service.api.key(&flooding.tenant, &["*"]).await;
    // The rate is refilled when `Retry-After` says, and the whole burst after a pause.
    clock.advance(Duration::from_millis(500));
    assert_eq!(ask(&flooding.key, "/operator/1/live").await, 200);
    assert_eq!(ask(&flooding.key, "/operator/1/live").await, 429);
    for route in routes().into_iter().filter(|route| route.method == "GET") {
        clock.advance(Duration::from_secs(1));
        let asked = request(&service.api, &route, Some(&flooding.key), &user_guid(1));
        let asked = if route.path.contains("/group/") || route.path.contains("/skill/") {
            request(&service.api, &route, Some(&flooding.key), "1")
        } else {
            asked
        };
        let answer = send(asked).await.expect("an answer");
        assert!(is_answered(dialect(&route), &answer), "{route:?}: {} {}", answer.status, answer.text);
    }
    stage.service.stop().await;
}

/// Requests with any key of a tenant count against the tenant's rate.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_keys_of_a_tenant_share_its_rate() {
    let stage = Stage::new(Backend::Embedded, TenantLimits { rate: 1, events: 0, at_a_time: 0 }).await;
    let (_, second) = stage.service.api.key(&stage.flooding.tenant, &["*"]).await;
    let mut statuses = Vec::new();
    for key in [&stage.flooding.key, &second, &stage.flooding.key, &second] {
        statuses.push(stage.service.api.get(key, "/operator/live").await.expect("an answer").status);
    }
    assert_eq!(statuses, [200, 200, 429, 429]);
    stage.service.stop().await;
}

/// The control: without a limit no request is rejected.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rate_zero_is_no_limit() {
    let stage = Stage::new(Backend::Embedded, TenantLimits { rate: 0, events: 0, at_a_time: 0 }).await;
    for _ in 0..200 {
        let request = stage.service.api.request(Method::GET, "/operator/live").bearer_auth(&stage.flooding.key);
        assert_eq!(send(request).await.expect("an answer").status, 200);
    }
    stage.service.stop().await;
}

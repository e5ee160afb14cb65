//! For those who operate the service: whether it lives, whether it is ready, and what it measured.

use axum::body::Body;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode};
use metrics::gauge;
use tokio::runtime::Handle;
use utoipa::OpenApi;

use super::extract::credential;
use super::fault::NativeFault;
use super::services::Services;
use crate::clock::Suspect;
use crate::domain::Filter;
use crate::limits::ByteBudget;
use crate::query::connected_users::connected_users;

/// The routes, for the API's description.
#[derive(OpenApi)]
#[openapi(paths(livez, readyz, metrics), tags((name = "Health", description = "For those who operate the service")))]
pub struct Description;

/// Whether a path is asked by health probes, for which connections are kept.
pub fn is_probe(path: &str) -> bool {
    matches!(path, "/livez" | "/readyz")
}

/// 200 while the process answers at all.
#[utoipa::path(
    get,
    path = "/livez",
    responses((status = 200, description = "The process answers", body = String, content_type = "text/plain")),
)]
pub async fn livez() -> &'static str {
    "alive\n"
}

/// 200 once the state is caught up, the store confirmed it within two seconds and the clocks agree; otherwise 503, why.
#[utoipa::path(
    get,
    path = "/readyz",
    responses((status = 200, description = "Caught up, and the store confirmed it", body = String, content_type = "text/plain"), (status = 503, description = "Not ready, and why", body = String, content_type = "text/plain")),
)]
pub async fn readyz(State(services): State<Services>) -> (StatusCode, String) {
    let health = services.reader().health();
    if let Some(alarm) = services.clock().alarm() {
        (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {alarm}\n"))
    } else if health.is_ready() {
        (StatusCode::OK, String::from("ready\n"))
    } else {
        let why = format!("not ready: the store has not confirmed the state for {} ms\n", health.staleness_ms());
        (StatusCode::SERVICE_UNAVAILABLE, why)
    }
}

/// Prometheus metrics, for the administrator only: they name tenants.
#[utoipa::path(
    get,
    path = "/metrics",
    responses((status = 200, description = "Prometheus metrics", body = String, content_type = "text/plain"), NativeFault),
)]
pub async fn metrics(State(services): State<Services>, headers: HeaderMap) -> Result<Response<Body>, NativeFault> {
    services.admin(credential::bearer(&headers))?;
    for (tenant, view) in services.reader().all() {
        let (headcount, _) = connected_users(&view, &Filter::default());
        gauge!("rollcall_connected_users", "tenant" => tenant.to_string()).set(headcount.connected as f64);
    }
    let alarm = services.clock().alarm();
    for (clock, suspect) in [("wall", Suspect::Wall), ("database", Suspect::Database)] {
        let ahead = alarm.filter(|alarm| alarm.suspect == suspect).map_or(0.0, |alarm| alarm.ahead_ms as f64 / 1e3);
        gauge!("rollcall_clock_ahead_seconds", "clock" => clock).set(ahead);
    }
    gauge!("rollcall_tasks").set(Handle::current().metrics().num_alive_tasks() as f64);
    let held = |budget: Option<&ByteBudget>| budget.map_or(0, ByteBudget::held) as f64;
    gauge!("rollcall_body_bytes").set(held(services.bodies()));
    gauge!("rollcall_answer_bytes").set(held(services.answers()));
    gauge!("rollcall_queue_waiting").set(services.submitter().depth() as f64);
    let mut response = Response::new(Body::from(services.metrics().render()));
    let kind = HeaderValue::from_static("text/plain; version=0.0.4");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    Ok(response)
}

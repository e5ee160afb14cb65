//! Endpoints for operators: liveness, readiness and Prometheus metrics.

use axum::body::Body;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, USER_AGENT};
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode};
use axum::response::IntoResponse;
use metrics::gauge;
use metrics_process::Collector;
use tokio::runtime::Handle;
use utoipa::OpenApi;

use super::extract::params::truth;
use super::extract::query::Query;
use super::fault::{Details, NativeFault};
use super::state::AppState;
use crate::auth::Scraper;
use crate::clock::Suspect;
use crate::domain::Filter;
use crate::engine::Reader;
use crate::limits::ByteBudget;
use crate::query::connected_users::connected_users;

/// The OpenAPI tag of these routes.
#[derive(OpenApi)]
#[openapi(tags((name = "Health", description = "Liveness, readiness and metrics")))]
pub struct Description;

/// The user agent of `rollcall healthcheck`, whose requests show no load balancer: a container checks itself.
pub const OWN_CHECK: &str = "rollcall-healthcheck";

/// Returns whether a path is a health probe's; some connections are reserved for these.
pub fn is_probe(path: &str) -> bool {
    matches!(path, "/livez" | "/readyz")
}

/// A cache in front of the service must not answer for it after its end.
const UNCACHED: [(HeaderName, HeaderValue); 1] = [(CACHE_CONTROL, HeaderValue::from_static("no-store"))];

/// Returns 200 as long as the process answers requests.
///
/// Needs no credential. A process that does not answer within a few seconds should be restarted.
#[utoipa::path(
    get,
    path = "/livez",
    responses((status = 200, description = "The process answers requests", body = String, content_type = "text/plain", example = json!("alive\n"))),
)]
pub async fn livez() -> impl IntoResponse {
    (UNCACHED, "alive\n")
}

/// Returns 200 if the state is caught up and the store confirmed it and committed a write within two seconds; otherwise 503
/// and the reason.
///
/// A clock that jumped, or a database clock that disagrees for long, is a reason as well, and so is the drain before a stop.
/// With `stale` the question is whether the server should answer reads if no other is ready: it was caught up once, does not
/// drain, and its state was confirmed within the last minute. Needs no credential.
#[utoipa::path(
    get,
    path = "/readyz",
    params(
        ("stale" = Option<bool>, Query, example = true, description = "Whether a state is good enough that was confirmed within the last minute; `?stale` alone is `true`"),
    ),
    responses((status = 200, description = "The state is caught up, and the store confirmed it and accepts writes", body = String, content_type = "text/plain", example = json!("ready\n")), (status = 503, description = "Not ready; the body says why", body = String, content_type = "text/plain", example = json!("not ready: the store does not confirm the state\n")), (status = 400, description = "`stale` is neither true nor false", body = Details, content_type = "application/problem+json", example = json!({ "type": "urn:rollcall:problem:invalid-value", "title": "Invalid value", "status": 400, "detail": "stale must be true or false: \"maybe\"" }))),
)]
pub async fn readyz(
    State(app): State<AppState>,
    headers: HeaderMap,
    params: Query<NativeFault>,
) -> Result<impl IntoResponse, NativeFault> {
    let wants_stale = match params.one("stale")? {
        None => false,
        Some("") => true,
        Some(text) => truth("stale", text)?,
    };
    if headers.get(USER_AGENT).is_none_or(|agent| agent != OWN_CHECK) {
        app.drain().note_probe();
    }
    let health = app.reader().health();
    let obstacle = if app.drain().has_begun() {
        Some(String::from("the service is stopping"))
    } else if wants_stale {
        health.obstacle_to_reads()
    } else {
        app.clock().alarm().map(|alarm| alarm.to_string()).or_else(|| health.obstacle())
    };
    let (status, text) = match obstacle {
        Some(obstacle) => (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {obstacle}\n")),
        None => (StatusCode::OK, String::from("ready\n")),
    };
    Ok((status, UNCACHED, text))
}

/// Returns Prometheus metrics, to the metrics token and to the administrator: they name tenants.
///
/// docs/operations.md explains each of them.
#[utoipa::path(
    get,
    path = "/metrics",
    responses((status = 200, description = "Prometheus metrics", body = String, content_type = "text/plain", example = json!("# TYPE rollcall_tasks gauge\nrollcall_tasks 27\n")), NativeFault),
)]
pub async fn metrics(State(app): State<AppState>, _: Scraper) -> Result<Response<Body>, NativeFault> {
    let alarm = app.clock().alarm();
    // Of clocks that differ since the start the wall clock is measured, by the database's.
    for (clock, suspects) in
        [("wall", &[Suspect::Wall, Suspect::Unsettled][..]), ("database", &[Suspect::Database][..])]
    {
        let alarm = alarm.filter(|alarm| suspects.contains(&alarm.suspect));
        let ahead = alarm.map_or(0.0, |alarm| alarm.ahead_ms as f64 / 1e3);
        gauge!("rollcall_clock_ahead_seconds", "clock" => clock).set(ahead);
    }
    gauge!("rollcall_confirmation_age_seconds").set(app.reader().health().staleness_ms() as f64 / 1e3);
    for (file, bytes) in app.store().file_sizes() {
        gauge!("rollcall_store_bytes", "file" => file).set(bytes as f64);
    }
    Collector::default().collect();
    gauge!("rollcall_tasks").set(Handle::current().metrics().num_alive_tasks() as f64);
    let held = |budget: Option<&ByteBudget>| budget.map_or(0, ByteBudget::held) as f64;
    gauge!("rollcall_body_bytes").set(held(app.bodies()));
    gauge!("rollcall_answer_bytes").set(held(app.answers()));
    gauge!("rollcall_queue_waiting").set(app.submitter().depth() as f64);
    let mut response = Response::new(Body::from(app.metrics().render() + &users_by_tenant(app.reader())));
    let kind = HeaderValue::from_static("text/plain; version=0.0.4");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    Ok(response)
}

/// Returns the metric of connected users in the format of Prometheus, counted at each scrape rather than after each
/// event. Not a metric of the recorder, which would show the tenants of all times.
fn users_by_tenant(reader: &Reader) -> String {
    const NAME: &str = "rollcall_connected_users";
    let mut text = format!("# HELP {NAME} Connected users by tenant.\n# TYPE {NAME} gauge\n");
    for (tenant, view) in reader.all() {
        let (headcount, _) = connected_users(&view, &Filter::default());
        text.push_str(&format!("{NAME}{{tenant=\"{tenant}\"}} {}\n", headcount.connected));
    }
    text
}

//! What surrounds every route: one access line and one measurement a request, an end in time, a net for panics, and the
//! budgets of bytes.

use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{MatchedPath, Request, State};
use axum::http::{Method, Response};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::IntoResponse;
use metrics::{counter, histogram};
use tower_http::catch_panic::CatchPanicLayer;

use super::dialect::Dialect;
use super::drain::drained;
use super::extract::body;
use super::fault::NativeFault;
use super::request_context::RequestContext;
use super::services::Services;
use super::{answer, cors};
use crate::domain::Fault;

/// The longest a request may take; everything a handler waits for is bounded more tightly.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(90);

/// Puts the layers around the routes.
pub fn around(router: Router<Services>) -> AroundRouter {
    AroundRouter(router)
}

/// Routes without their state, which the layers need as well.
pub struct AroundRouter(Router<Services>);

impl AroundRouter {
    /// The finished routes.
    pub fn with_state(self, services: Services) -> Router {
        let mut router = self.0.layer(CatchPanicLayer::custom(panicked));
        // Without origins there is no layer to pass.
        if let Some(cors) = cors::layer(&services.edge().cors_origins) {
            router = router.layer(cors);
        }
        router.layer(from_fn_with_state(services.clone(), observe)).with_state(services)
    }
}

/// Measures a request and writes its access line: the route, never the path or the query, which may hold a key.
async fn observe(State(services): State<Services>, request: Request, next: Next) -> Response<Body> {
    let began = services.clock().monotonic();
    let method = known(request.method());
    let route = request.extensions().get::<MatchedPath>().cloned();
    let dialect = Dialect::of(request.uri().path());
    let context = RequestContext::new(request.extensions());
    let request = body::metered(drained(request, services.lifecycle()), &context, services.bodies());
    let response = within(REQUEST_TIMEOUT, dialect, context.scope(next.run(request))).await;
    context.release_body();
    let response = answer::counted(response, &context, services.answers(), dialect);
    let route = route.as_ref().map_or("unknown", MatchedPath::as_str);
    let elapsed = services.clock().monotonic() - began;
    let status = response.status().as_u16();
    counter!("rollcall_http_requests_total",
        "method" => method, "route" => route.to_owned(), "status" => status_name(status))
    .increment(1);
    histogram!("rollcall_http_request_seconds", "route" => route.to_owned()).record(elapsed.as_secs_f64());
    tracing::info!(target: "access", method, route, status, micros = elapsed.as_micros() as u64);
    response
}

/// Returns the answer, or that there was none in time in the words of the dialect.
pub async fn within(
    timeout: Duration,
    dialect: Dialect,
    answering: impl Future<Output = Response<Body>>,
) -> Response<Body> {
    match tokio::time::timeout(timeout, answering).await {
        Ok(response) => response,
        Err(_) => dialect.answer(Fault::TimedOut),
    }
}

/// The methods that are measured apart: invented ones would make measurements without end.
fn known(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        _ => "other",
    }
}

/// The statuses that occur, as names that cost nothing to keep.
fn status_name(status: u16) -> &'static str {
    match status {
        101 => "101",
        200 => "200",
        201 => "201",
        204 => "204",
        400 => "400",
        401 => "401",
        403 => "403",
        404 => "404",
        405 => "405",
        408 => "408",
        409 => "409",
        413 => "413",
        415 => "415",
        422 => "422",
        429 => "429",
        500 => "500",
        503 => "503",
        _ => "other",
    }
}

fn panicked(_panic: Box<dyn std::any::Any + Send + 'static>) -> Response<Body> {
    tracing::error!("a handler panicked; this is a bug");
    NativeFault(Fault::Internal).into_response()
}

/// What benchmarks compare with: the same router and layers, and no work.
pub async fn echo(body: Bytes) -> Bytes {
    body
}

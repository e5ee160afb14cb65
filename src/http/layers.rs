//! Layers around every route: access log, metrics, request timeout, panic handler, CORS and the byte budgets.

use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{MatchedPath, Request, State};
use axum::http::header::CONNECTION;
use axum::http::{HeaderValue, Method, Response, StatusCode};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use metrics::{counter, histogram};
use tower_http::catch_panic::CatchPanicLayer;

use super::dialect::Dialect;
use super::drain::drained;
use super::extract::body;
use super::health::is_probe;
use super::listener::host;
use super::native::events::handshake;
use super::request_context::RequestContext;
use super::request_id::{REQUEST_ID, RequestId};
use super::state::AppState;
use super::{answer, cors};
use crate::domain::Fault;
use crate::limits::Owner;

/// Longest time for a request. A last resort: everything that a handler waits for has a shorter timeout.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(90);

/// Wraps the routes, so that their state is attached together with the layers, which need it too.
pub fn around(router: Router<AppState>) -> AroundRouter {
    AroundRouter(router)
}

/// Routes that have neither state nor layers yet.
pub struct AroundRouter(Router<AppState>);

impl AroundRouter {
    /// Adds the layers and the state.
    pub fn with_state(self, app: AppState) -> Router {
        let mut router = catching_panics(self.0);
        // Without origins no request passes a CORS layer.
        if let Some(cors) = cors::layer(&app.edge().cors_origins) {
            router = router.layer(cors).layer(from_fn(cors::allow_attributes));
        }
        // Around CORS, which answers every OPTIONS as a preflight.
        router = router.layer(from_fn_with_state(app.clone(), handshake::answer));
        // The outermost layer, so that preflight responses and panics are measured as well.
        router.layer(from_fn_with_state(app.clone(), observe)).with_state(app)
    }
}

/// Measures a request, answers with its id and writes its access log line. The line has the route, never the path or the
/// query, which may contain a key.
async fn observe(State(app): State<AppState>, request: Request, next: Next) -> Response<Body> {
    let began = app.clock().monotonic();
    let method = known(request.method());
    let route = request.extensions().get::<MatchedPath>().cloned();
    let dialect = Dialect::of(request.uri().path());
    let is_probe = is_probe(request.uri().path());
    let id = RequestId::of(request.headers(), app.clock());
    let context = RequestContext::new(request.extensions());
    let mut request = body::metered(drained(request, app.lifecycle()), &context, app.bodies());
    request.extensions_mut().insert(context.clone());
    request.extensions_mut().insert(dialect);
    let of_store = !is_probe && request.uri().path() != "/metrics";
    let response = match host::check(&request) {
        Err(fault) => Err(fault),
        Ok(()) => owned(&app, of_store, within(REQUEST_TIMEOUT, dialect, next.run(request))).await,
    };
    let response = response.unwrap_or_else(|fault| dialect.answer(fault));
    // The handler is done with the body; from here on only the response takes memory.
    context.release_body();
    let mut response = answer::counted(response, &context, app.answers(), dialect);
    let route = route.as_ref().map_or("unknown", MatchedPath::as_str);
    let elapsed = app.clock().monotonic() - began;
    let status = response.status().as_u16();
    counter!("rollcall_http_requests_total",
        "method" => method, "route" => route.to_owned(), "status" => status_name(status))
    .increment(1);
    histogram!("rollcall_http_request_seconds", "route" => route.to_owned()).record(elapsed.as_secs_f64());
    let line = AccessLine { id: &id, method, route, status, elapsed, context: &context };
    line.write(is_probe);
    response.headers_mut().insert(REQUEST_ID, id.into_value());
    // A client that connects again reaches another server; over HTTP/2 the listener sends GOAWAY instead. An upgraded
    // connection ends at a moment of its own.
    if app.drain().has_begun() && response.status() != StatusCode::SWITCHING_PROTOCOLS {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// The access log line of a request.
struct AccessLine<'a> {
    id: &'a RequestId,
    method: &'static str,
    route: &'a str,
    status: u16,
    elapsed: Duration,
    context: &'a RequestContext,
}

impl AccessLine<'_> {
    fn write(&self, is_probe: bool) {
        let Self { method, route, status, .. } = *self;
        let (id, micros) = (self.id.as_str(), self.elapsed.as_micros() as u64);
        let peer = self.context.peer().0;
        let tenant = match self.context.owner() {
            Owner::Tenant(tenant) => Some(tenant),
            Owner::Administrator | Owner::Unauthenticated => None,
        };
        let tenant = tenant.as_ref().map(tracing::field::display);
        // Probes come every few seconds for as long as the service runs.
        if is_probe {
            tracing::debug!(target: "access", id, %peer, method, route, status, micros);
        } else {
            tracing::info!(target: "access", id, %peer, tenant, method, route, status, micros);
        }
    }
}

/// Returns the handler's response. Rejects a request about the contents of the store, which is every one but those for
/// probes and metrics, while another server has it: the state is that server's, and so are keys and tokens.
async fn owned(
    app: &AppState,
    of_store: bool,
    answering: impl Future<Output = Response<Body>>,
) -> Result<Response<Body>, Fault> {
    if !of_store {
        return Ok(answering.await);
    }
    let health = app.reader().health();
    health.reject_if_taken()?;
    let response = answering.await;
    // Something else may have the store since the request arrived.
    health.reject_if_taken()?;
    Ok(response)
}

/// Returns the handler's response, or after `timeout` a 408 in the dialect's shape.
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

/// Returns the method as a metric label. Unknown methods share one label, since clients could otherwise create time
/// series without bound.
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

/// Returns the status as a metric label that needs no allocation.
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
        406 => "406",
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

/// Lets a handler's panic end in a 500 in the shape of the path's dialect, rather than in a closed connection.
pub fn catching_panics<S: Clone + Send + Sync + 'static>(router: Router<S>) -> Router<S> {
    router.layer(CatchPanicLayer::custom(panicked)).layer(from_fn(shape_panics))
}

/// Marks the response to a request whose handler panicked.
#[derive(Clone, Copy, Debug)]
struct IsPanic;

fn panicked(_panic: Box<dyn std::any::Any + Send + 'static>) -> Response<Body> {
    tracing::error!("a handler panicked; this is a bug");
    let mut response = Response::new(Body::empty());
    response.extensions_mut().insert(IsPanic);
    response
}

async fn shape_panics(dialect: Dialect, request: Request, next: Next) -> Response<Body> {
    let response = next.run(request).await;
    if response.extensions().get::<IsPanic>().is_some() { dialect.answer(Fault::Internal) } else { response }
}

/// Returns the request body: the baseline of benchmarks, with the same router and layers and no work.
pub async fn echo(body: Bytes) -> Bytes {
    body
}

//! The limits of the edge: requests, events, bytes and connections of a tenant and of unauthenticated callers; log
//! lines, CORS and TLS.

mod answers;
mod bodies;
mod browsers;
mod concurrency;
mod envelopes;
mod events;
mod fairness;
mod heavy;
mod logs;
mod rates;
mod sockets;
pub(crate) mod tls;
mod unauthenticated;

use rollcall::clock::Clock;
use rollcall::domain::Time;
use rollcall::limits::TenantLimits;
use serde_json::json;

use crate::support::api::{Answer, Persona};
use crate::support::requests::Dialect;
use crate::support::{Backend, Home, Service, Setup};

/// A service with given limits and a manual clock, and two tenants.
struct Stage {
    service: Service,
    clock: Clock,
    flooding: Persona,
    quiet: Persona,
}

impl Stage {
    async fn new(backend: Backend, tenant_limits: TenantLimits) -> Self {
        let clock = Clock::manual(Time::from_micros(1_614_589_200_000_000));
        // Moving the clock must not make the state too stale to be read.
        let setup = Setup { clock: clock.clone(), tenant_limits, max_staleness_ms: 86_400_000, ..Setup::default() };
        let service = Service::start_on(Home::new(backend).await, setup).await;
        let flooding = service.api.persona("flooding").await;
        let quiet = service.api.persona("quiet").await;
        Stage { service, clock, flooding, quiet }
    }
}

/// Returns whether the response is a rate-limit rejection in the dialect's form.
fn is_throttled(dialect: Dialect, answer: &Answer, seconds: &str) -> bool {
    let text = format!("too many requests: try again in {seconds} s");
    let body = match dialect {
        Dialect::Native => json!({ "type": "urn:rollcall:problem:too-many", "title": "Too many requests",
                                   "status": 429, "detail": text }),
        Dialect::Graphql => {
            let extensions = json!({ "name": "RATE_LIMITED", "retryPolicy": "RETRY_WITH_BACKOFF" });
            json!({ "data": null,
                    "errors": [{ "message": text, "path": [], "locations": [], "extensions": extensions }] })
        }
        Dialect::Iadvize => json!({ "meta": { "status": "error", "message": text } }),
        Dialect::Convoso => json!({ "success": false, "code": 429, "text": text, "error": text }),
        Dialect::Vonage => json!({ "message": text }),
        Dialect::Oauth => json!({ "error": "slow_down", "error_description": text }),
    };
    answer.status == 429 && answer.header("retry-after") == Some(seconds) && answer.json() == body
}

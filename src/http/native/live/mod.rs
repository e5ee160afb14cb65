//! `GET /v1/live`: the breakdown as server-sent events, whenever it differs (docs/reference/native.md, "Live breakdown").

mod events;
mod question;
pub mod tickets;

use std::time::Duration;

use axum::body::Body;
use axum::extract::{FromRef, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Response};
use serde_json::json;
use utoipa::IntoParams;
use utoipa::openapi::path::{Parameter, ParameterIn};

use self::events::BreakdownEvents;
use self::question::BreakdownQuestion;
use super::HeaderCredential;
use super::breakdown::parameters::{self, Asked, BreakdownParameters, Format};
use crate::auth::{Authorized, Caller, GraphqlRead, Tickets};
use crate::domain::Fault;
use crate::engine::Snapshot;
use crate::http::describe;
use crate::http::extract::params::Params;
use crate::http::extract::query::reject_unknown_parameters;
use crate::http::extract::{Credential, freshness, query, reply};
use crate::http::fault::NativeFault;
use crate::http::live::authority::Authority;
use crate::http::live::events::Events;
use crate::http::live::tickets::caller_of_stream;
use crate::http::live::{INTERVALS, LiveQueries, USUAL_INTERVAL};
use crate::http::request_context::RequestContext;
use crate::http::state::AppState;
use crate::query::open;

/// The parameter with a ticket.
const TICKET: &str = "ticket";
/// The parameter with the shortest time between two events.
const INTERVAL: &str = "min_interval_ms";
/// The header with the id of the last event that a client has received.
const LAST_EVENT_ID: &str = "Last-Event-ID";

/// The handles of all endpoints, and what only live queries use. Cheap to clone.
#[derive(Clone)]
pub struct LiveState {
    /// The handles that every endpoint may use.
    pub app: AppState,
    /// The live queries of this process.
    pub live: LiveQueries,
    /// The tickets by which pages connect.
    pub tickets: Tickets,
}

impl FromRef<LiveState> for AppState {
    fn from_ref(state: &LiveState) -> Self {
        state.app.clone()
    }
}

/// The parameters, for the OpenAPI description.
struct LiveParameters;

impl IntoParams for LiveParameters {
    fn into_params(of: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let [least, most] = [INTERVALS.start(), INTERVALS.end()].map(|millis| Some(*millis));
        let interval = describe::whole().minimum(least).maximum(most);
        let own = [
            describe::query_parameter(
                INTERVAL,
                interval,
                "The shortest time between two events, in milliseconds; 250 by default",
                json!(1_000),
            ),
            describe::query_parameter(
                TICKET,
                describe::text(),
                "A ticket for this query string, instead of a key",
                // One of its own would have to be for the other examples, and takes the place of a key.
                json!(""),
            ),
        ];
        // The only form of the data is JSON.
        let shared = BreakdownParameters::into_params(of).into_iter().filter(|parameter| parameter.name != "format");
        shared.chain(own).collect()
    }
}

/// Sends the breakdown as events: at once, and again whenever it differs.
///
/// The parameters are those of `/v1/breakdown`, and so is the data of `event: moment`, whose `id` is its position. Every two
/// seconds without a difference there is `event: still` with position, time and staleness. With a `Last-Event-ID` that is
/// ahead the first event waits for that position, for five seconds at most: it is `event: reset` then. A page in a browser
/// uses a ticket of `POST /v1/live/tickets`. Scope: `graphql:read`.
#[utoipa::path(
    get,
    path = "/v1/live",
    params(LiveParameters),
    responses(
        (status = 200, description = "The events, until the client leaves", body = Value, content_type = "text/event-stream", example = json!(events::example())),
        NativeFault,
    ),
)]
pub async fn live_breakdown(State(state): State<LiveState>, request: Request) -> Result<Response<Body>, NativeFault> {
    let (mut parts, _) = request.into_parts();
    let context = RequestContext::of(&parts.extensions);
    let caller: Authorized<GraphqlRead> = caller(&state, &context, &mut parts).await?.authorize()?;
    reject_unknown_parameters(&mut parts)?;
    let LiveState { app, live, .. } = state;
    let (params, headers) = (query(&mut parts)?, &parts.headers);
    let interval = interval(&params)?;
    let snapshot = open(app.reader(), &caller, freshness::any_age(headers)?).await?;
    let asked = asked(&params, &snapshot)?;
    let (authority, tenant) = (Authority::Caller(caller), caller.tenant());
    let question = BreakdownQuestion { app: app.clone(), tenant, asked };
    let permit = live.permits().socket(tenant)?;
    let operation = live.join_late(question.live(authority, interval), last_event_id(headers))?;
    // Its limits are those of live operations: it must not take the place of a request for hours.
    drop(context.take_permit());
    let form = BreakdownEvents::new(app.clock().new_id());
    let events = Events::new(app, authority, operation, form, permit).into_response();
    Ok(reply::from_snapshot(events, &snapshot))
}

/// Authenticates the caller by the key or token in a header, or by the ticket in the query.
async fn caller(state: &LiveState, context: &RequestContext, parts: &mut Parts) -> Result<Caller, Fault> {
    let params = query(parts)?;
    let app = &state.app;
    let Some(ticket) = params.one(TICKET)?.filter(|ticket| !ticket.is_empty()) else {
        let key = HeaderCredential::read(parts)?;
        return app.caller(context, key.as_deref()).await;
    };
    if HeaderCredential::read(parts)?.is_some() {
        return Err(Fault::Malformed(String::from("a key in a header and a ticket are two credentials: remove one")));
    }
    let of_query = without_ticket(parts.uri.query().unwrap_or_default());
    caller_of_stream(app, &state.tickets, context, [ticket, &of_query]).await
}

/// Returns a query string without its ticket.
fn without_ticket(query: &str) -> String {
    let others = query.split('&').filter(|pair| !pair.starts_with("ticket="));
    others.collect::<Vec<_>>().join("&")
}

/// Reads the parameters of the breakdown, and looks up its ids and names. Faults as those of `/v1/breakdown`.
fn asked(params: &Params<'_>, snapshot: &Snapshot) -> Result<Asked, Fault> {
    let asked = parameters::read(params)?.resolve(snapshot)?;
    match asked.format {
        Format::Json => Ok(asked),
        Format::Csv => Err(Fault::invalid("format", "must be json: events have no other form")),
    }
}

/// Reads the shortest time between two events.
fn interval(params: &Params<'_>) -> Result<Duration, Fault> {
    let Some(text) = params.one(INTERVAL)?.filter(|text| !text.is_empty()) else {
        return Ok(Duration::from_millis(USUAL_INTERVAL.unsigned_abs().into()));
    };
    let millis = text.parse::<i32>().ok().filter(|millis| INTERVALS.contains(millis));
    let fits = || format!("must be a whole number from {} to {}", INTERVALS.start(), INTERVALS.end());
    let millis = millis.ok_or_else(|| Fault::misfit_text(INTERVAL, &fits(), text))?;
    Ok(Duration::from_millis(millis.unsigned_abs().into()))
}

/// Returns the position of the last event that a client has received; `None` without one, and for an id that is not ours.
fn last_event_id(headers: &HeaderMap) -> Option<u64> {
    headers.get(LAST_EVENT_ID)?.to_str().ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_is_no_part_of_its_query() {
        for (query, expected) in [
            ("by=skill&ticket=lt_a", "by=skill"),
            ("ticket=lt_a&by=skill&first=7", "by=skill&first=7"),
            ("ticket=lt_a", ""),
            ("by=skill", "by=skill"),
            ("tickets=1&by=a%26ticket=b&ticket=lt_a", "tickets=1&by=a%26ticket=b"),
        ] {
            assert_eq!(without_ticket(query), expected);
        }
    }
}

//! `POST /v1/live/tickets`: issues tickets for pages, so that a browser never holds the tenant's key.

use axum::body::Body;
use axum::extract::{Extension, State};
use axum::http::Response;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::super::{Authenticated, Document};
use super::{LiveState, TICKET, asked, interval};
use crate::auth::GraphqlRead;
use crate::domain::{Fault, Time};
use crate::engine::Snapshot;
use crate::http::describe;
use crate::http::extract::params::Params;
use crate::http::extract::params::unknown::{KnownParameters, RouteParameters};
use crate::http::extract::query::reject_unknown_of;
use crate::http::extract::reply;
use crate::http::fault::{Details, NativeFault};

/// Longest query string of a ticket, in bytes.
const MAX_QUERY: usize = 4 * 1024;
/// Bytes that browsers write as they are in a query string. `#` begins the fragment.
const PLAIN: &[u8] = b"!$&()*+,-./:;=?@[]_~%`{|}\\^";

/// A ticket to be issued.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewLiveTicket {
    /// The query string of `/v1/live` that the ticket is for, as the page sends it, without the ticket. Without one the
    /// ticket is for a WebSocket.
    #[serde(default)]
    #[schema(max_length = 4096)]
    query: Option<String>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = LiveTicket)]
struct Answer<'a> {
    ticket: &'a str,
    #[schema(value_type = String, format = DateTime)]
    expires_at: Time,
    /// The path of the event stream, with the ticket in it; `null` for a ticket for a WebSocket.
    #[schema(required)]
    path: Option<String>,
}

/// Issues a ticket for live queries, with which a page connects instead of the tenant's key.
///
/// Without `query` it opens one WebSocket of `/graphql` within a minute, as `ticket` in `connection_init`. With `query`, a
/// query string of `/v1/live`, it opens that stream, again and again, for twelve hours; the query is checked as there. Both
/// end with the credential that makes them. Scope: `graphql:read`.
#[utoipa::path(
    post,
    path = "/v1/live/tickets",
    request_body(content = NewLiveTicket, example = json!({ "query": "by=skill&channel=chat" })),
    responses(
        (status = 201, description = "The new ticket; it is shown here only", body = Answer, example = json!(Answer { ticket: "lt_…", expires_at: describe::EXAMPLE_TIME, path: Some(String::from("/v1/live?by=skill&channel=chat&ticket=lt_…")) })),
        (status = 429, description = "The tenant has too many unused tickets", body = Details, content_type = "application/problem+json"),
        NativeFault,
    ),
)]
pub async fn issue_live_ticket(
    State(state): State<LiveState>,
    Extension(KnownParameters(routes)): Extension<KnownParameters>,
    caller: Authenticated<GraphqlRead>,
    Document(wanted): Document<NewLiveTicket>,
) -> Result<Response<Body>, NativeFault> {
    let NewLiveTicket { query } = wanted;
    let app = &state.app;
    let snapshot = app.reader().snapshot(caller.tenant())?;
    if let Some(query) = &query {
        check(query, routes(), &snapshot)?;
    }
    let (ticket, expires_at) = state.tickets.issue_live(&caller, query.as_deref()).await?;
    let ticket = ticket.reveal();
    let path = query.map(|query| {
        let and = if query.is_empty() { "" } else { "&" };
        format!("{}/v1/live?{query}{and}{TICKET}={ticket}", app.edge().base_path)
    });
    let answer = Answer { ticket, expires_at, path };
    Ok(reply::from_snapshot(reply::json(201, "application/json", &answer), &snapshot))
}

/// Checks that a browser sends a query as it is, and that it would be answered: a page cannot read why it was not.
fn check(query: &str, routes: &RouteParameters, snapshot: &Snapshot) -> Result<(), Fault> {
    let refused = |detail: &str| Err(Fault::refused("/query", detail));
    if query.len() > MAX_QUERY {
        return refused("must have at most 4096 bytes");
    }
    if !query.bytes().all(|byte| byte.is_ascii_alphanumeric() || PLAIN.contains(&byte)) {
        return refused("must be percent-encoded");
    }
    if query.starts_with('?') {
        return refused("begins after the question mark");
    }
    let params = Params::parse(query.as_bytes())?;
    if params.names().any(|name| name == TICKET) {
        return refused("has a ticket");
    }
    reject_unknown_of(routes, ("GET", "/v1/live"), &params)?;
    interval(&params)?;
    asked(&params, snapshot)?;
    Ok(())
}

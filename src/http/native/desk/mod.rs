//! `GET /v1/desk`: the persistent connection of a desk, over a WebSocket (docs/desk.md).

mod connections;
mod handshake;
mod limits;
mod protocol;
mod serving;
mod state;
pub mod tickets;

use std::time::Duration;

use axum::body::Body;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{FromRequestParts, Request, State};
use axum::http::header::SEC_WEBSOCKET_PROTOCOL;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Response};

pub use state::DeskState;

use crate::auth::tickets::Pass;
use crate::auth::{Authorized, Caller, EventsWrite};
use crate::domain::Fault;
use crate::http::connection::Connection;
use crate::http::extract::query::reject_unknown_parameters;
use crate::http::extract::{credential, query, reply};
use crate::http::fault::NativeFault;
use crate::http::request_context::RequestContext;
use crate::http::state::AppState;
use crate::http::websocket::{Socket, SocketTerms};
use crate::limits::Budget;
use crate::limits::rate::Rate;
use handshake::Handshake;
use serving::Desk;

/// Name of the protocol in `Sec-WebSocket-Protocol`.
const PROTOCOL: &str = "rollcall.desk.v1";
/// Prefix of a ticket in the same header, the only one that browsers let a page set for a WebSocket.
const TICKET: &str = "ticket.";
/// Longest message, in bytes.
const MESSAGE_BYTES: usize = 16 * 1024;
/// The limits of a desk's socket.
const TERMS: SocketTerms = SocketTerms { message_bytes: MESSAGE_BYTES, send_timeout: Duration::from_secs(5) };
/// Bytes after which a message is not read to its end, and the connection is dropped without a close frame.
const FRAME_BYTES: usize = 4 * MESSAGE_BYTES;
/// Most frames per second of one socket, pings and pongs included; above the rate it is closed.
const FRAMES_A_SECOND: u32 = 50;
/// Most frames at once after a pause.
const FRAMES_AT_ONCE: u32 = 400;
/// Bytes of the read and of the write buffer: small, since messages are short and desks many.
const BUFFER_BYTES: usize = 4 * 1024;
/// Most bytes waiting to be written. Answers are sent one at a time; the longest holds an event's id and a reason.
const WAITING_BYTES: usize = 64 * 1024;

/// Connects a desk over a WebSocket.
///
/// The subprotocol is `rollcall.desk.v1`; docs/desk.md describes its messages. While the connection lasts, the desk's
/// session is open. Tools that cannot open a WebSocket cannot call this. Scope: `events:write`.
#[utoipa::path(
    get,
    path = "/v1/desk",
    params(
        ("ticket" = Option<String>, Query, example = "rd_…", description = "A desk ticket instead of a key; also accepted as the subprotocol `ticket.<ticket>` beside `rollcall.desk.v1`"),
    ),
    responses((status = 101, description = "The connection becomes a WebSocket"), NativeFault),
)]
pub async fn connect(State(desks): State<DeskState>, request: Request) -> Result<Response<Body>, NativeFault> {
    let (mut parts, _) = request.into_parts();
    let app = &desks.app;
    let (caller, pass, upgrade) = match ticket(&mut parts)? {
        // After the upgrade: a request that cannot become a WebSocket must not use the ticket up.
        Some(ticket) => {
            let upgrade = upgrade(&mut parts).await?;
            let (caller, pass) = desks.ticket_holder(&RequestContext::of(&parts.extensions), &ticket).await?;
            (caller, Some(pass), upgrade)
        }
        None => (by_key(app, &mut parts).await?.authorize()?, None, upgrade(&mut parts).await?),
    };
    reject_unknown_parameters(&mut parts)?;
    let position = app.reader().snapshot(caller.tenant())?.view.position();
    let connection = Connection::of(&parts.extensions);
    if let Some(connection) = &connection {
        connection.permit().become_persistent(caller.tenant())?;
    }
    let response = upgrade.on_upgrade(move |socket| async move {
        let lifecycle = desks.app.lifecycle().clone();
        // axum spawns this future untracked. Shutdown waits for tracked tasks only, so the work is handed to one.
        drop(lifecycle.spawn_tracked(async move {
            let app = &desks.app;
            let (clock, departure) = (app.clock().clone(), app.drain().departure());
            // Before the first message, at which the credential is checked again: no revocation is missed.
            let revocations = app.credentials().revocations(caller.tenant());
            let mut socket = Socket::new(socket, clock, departure, TERMS, pace(app));
            socket.watch(revocations);
            stay(desks, socket, caller, pass).await;
            drop(connection);
        }));
    });
    Ok(reply::at_position(response, position))
}

/// Returns the frame rate of one socket; `None` if the budget of desks is off, and then its messages do not count
/// against the tenant's rate either.
fn pace(app: &AppState) -> Option<Rate> {
    let is_bounded = app.edge().budgets.has(Budget::Desks);
    if is_bounded { Rate::new(FRAMES_A_SECOND, FRAMES_AT_ONCE, app.clock()) } else { None }
}

/// Serves the connection, from the handshake to its end.
async fn stay(desks: DeskState, socket: Socket, caller: Authorized<EventsWrite>, pass: Option<Pass>) {
    let DeskState { app, connections, .. } = desks;
    let handshake = Handshake { app, connections, socket, caller, pass };
    if let Some((handshake, accepted)) = handshake.accept().await
        && let Some(desk) = Desk::welcome(handshake, accepted).await
    {
        desk.serve().await;
    }
}

/// Authenticates the caller by key: in a header, as the user name of Basic, or as `?key=`.
async fn by_key(app: &AppState, parts: &mut Parts) -> Result<Caller, Fault> {
    let params = query(parts)?;
    let headers = &parts.headers;
    let basic = credential::basic_user(headers);
    let carried = credential::bearer(headers).or_else(|| credential::api_key(headers)).or(basic.as_deref());
    let key = match carried {
        Some(key) => Some(key),
        None => params.one("key")?,
    };
    app.caller(&RequestContext::of(&parts.extensions), key).await
}

/// Returns the ticket of the request, if there is one.
fn ticket(parts: &mut Parts) -> Result<Option<String>, Fault> {
    let in_query = query(parts)?.one("ticket")?.map(str::to_owned);
    Ok(in_query.or_else(|| in_protocols(&parts.headers)))
}

fn in_protocols(headers: &HeaderMap) -> Option<String> {
    let lines = headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter().filter_map(|value| value.to_str().ok());
    lines.flat_map(|line| line.split(',')).find_map(|name| name.trim().strip_prefix(TICKET)).map(str::to_owned)
}

async fn upgrade(parts: &mut Parts) -> Result<WebSocketUpgrade, Fault> {
    let upgrade = WebSocketUpgrade::from_request_parts(parts, &()).await;
    let upgrade = upgrade.map_err(|why| Fault::Malformed(format!("the request is not a WebSocket upgrade: {why}")))?;
    // Only our own protocol is selected from the client's offers: the answer must not repeat the ticket.
    Ok(upgrade
        .protocols([PROTOCOL])
        .max_message_size(FRAME_BYTES)
        .max_frame_size(FRAME_BYTES)
        .read_buffer_size(BUFFER_BYTES)
        .write_buffer_size(BUFFER_BYTES)
        .max_write_buffer_size(WAITING_BYTES))
}

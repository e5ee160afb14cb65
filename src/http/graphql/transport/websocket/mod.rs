//! GraphQL over WebSocket: the upgrade of `GET /graphql` to the protocol graphql-transport-ws
//! (docs/decisions/0108-graphql-over-websocket.md).

mod init;
mod message;
mod operations;
mod serving;

use std::time::Duration;

use axum::body::Body;
use axum::extract::FromRequestParts;
use axum::extract::ws::WebSocketUpgrade;
use axum::http::header::{SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, UPGRADE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Response};

use crate::domain::Fault;
use crate::http::connection::Connection;
use crate::http::extract::credential;
use crate::http::graphql::fault::RequestError;
use crate::http::graphql::state::GraphqlState;
use crate::http::request_context::RequestContext;
use crate::http::websocket::{LATER, RESTART, Socket, SocketTerms, TOO_BIG};
use crate::limits::Budget;
use crate::limits::rate::Rate;
use init::Guest;

/// Name of the protocol in `Sec-WebSocket-Protocol`.
const PROTOCOL: &str = "graphql-transport-ws";
/// Longest message before a credential was shown, in bytes.
const FIRST_MESSAGE_BYTES: usize = 4 * 1024;
/// Longest message, in bytes.
const MESSAGE_BYTES: usize = 64 * 1024;
/// Bytes after which a message is not read to its end, and the connection is dropped without a close frame.
const FRAME_BYTES: usize = 2 * MESSAGE_BYTES;
/// Bytes of the read and of the write buffer: small, since messages of clients are short and sockets many.
const BUFFER_BYTES: usize = 4 * 1024;
/// The limits of a socket.
const TERMS: SocketTerms = SocketTerms { message_bytes: FIRST_MESSAGE_BYTES, send_timeout: Duration::from_secs(10) };
/// Most frames per second of one socket, pings and pongs included.
const FRAMES_A_SECOND: u32 = 50;
/// Most frames at once after a pause.
const FRAMES_AT_ONCE: u32 = 400;

/// A close code with its reason. No code is one after which clients give up, unless trying again is useless.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Close(u16, &'static str);

impl Close {
    const BINARY: Close = Close(4_400, "messages are text");
    const UNAUTHORIZED: Close = Close(4_401, "connection_init comes first");
    const FORBIDDEN: Close = Close(4_403, "the credential is not valid");
    const PROTOCOL: Close = Close(4_406, "offer the subprotocol graphql-transport-ws");
    const NO_INIT: Close = Close(4_408, "no connection_init in time");
    const ID_IN_USE: Close = Close(4_409, "an operation with this id is running");
    const SECOND_INIT: Close = Close(4_429, "connection_init was received before");
    const TOO_BIG: Close = Close(TOO_BIG, "the message is too long");
    const STOPPING: Close = Close(RESTART, "stopping");
    const TOO_FAST: Close = Close(LATER, "too many messages");

    /// The close of a malformed message.
    const fn malformed(reason: &'static str) -> Self {
        Close(4_400, reason)
    }

    /// The close after a credential could not be accepted. One that could not be checked may be valid.
    const fn of_credential(fault: &Fault) -> Self {
        match fault {
            Fault::CredentialMissing | Fault::CredentialInvalid | Fault::Forbidden => Close::FORBIDDEN,
            _ => Close(LATER, "the credential cannot be checked now"),
        }
    }
}

/// Returns true if a request is meant to become a WebSocket. A proxy that does not pass upgrades on removes `Upgrade`, but
/// not the key.
pub fn is_attempt(headers: &HeaderMap) -> bool {
    headers.contains_key(SEC_WEBSOCKET_KEY)
        || headers.get(UPGRADE).is_some_and(|upgrade| upgrade.as_bytes().eq_ignore_ascii_case(b"websocket"))
}

/// Turns a request into a WebSocket, on which the client shows its credential.
pub async fn connect(state: GraphqlState, mut parts: Parts) -> Result<Response<Body>, RequestError> {
    let peer = RequestContext::of(&parts.extensions).peer();
    let permits = state.live.permits().unauthenticated(peer.0)?;
    let upgrade = WebSocketUpgrade::from_request_parts(&mut parts, &()).await.map_err(|why| {
        let hint = "a proxy before the service must pass the headers Upgrade and Connection";
        Fault::Malformed(format!("the request is not a WebSocket upgrade: {why}; {hint}"))
    })?;
    let offered = offered(&parts.headers);
    let is_ours = offered.iter().any(|name| name == PROTOCOL);
    // A browser that is answered with none of its protocols closes the connection without a reason.
    let chosen = if is_ours { Some(PROTOCOL.to_owned()) } else { offered.into_iter().next() };
    let carried = credential::bearer(&parts.headers).map(str::to_owned);
    let connection = Connection::of(&parts.extensions);
    let upgrade = upgrade
        .protocols(chosen)
        .max_message_size(FRAME_BYTES)
        .max_frame_size(FRAME_BYTES)
        .read_buffer_size(BUFFER_BYTES)
        .write_buffer_size(BUFFER_BYTES);
    Ok(upgrade.on_upgrade(move |socket| async move {
        let app = state.app.clone();
        // axum spawns this future untracked. Shutdown waits for tracked tasks only, so the work is handed to one.
        drop(app.lifecycle().clone().spawn_tracked(async move {
            let is_bounded = app.edge().budgets.has(Budget::Desks);
            let pace = if is_bounded { Rate::new(FRAMES_A_SECOND, FRAMES_AT_ONCE, app.clock()) } else { None };
            let (clock, departure) = (app.clock().clone(), app.drain().departure());
            let socket = Socket::new(socket, clock, departure, TERMS, pace);
            let guest = Guest { state, socket, peer, connection, carried, permits };
            if is_ours {
                guest.stay().await;
            } else {
                guest.close(Close::PROTOCOL).await;
            }
        }));
    }))
}

/// Returns the protocols that a client offers, in its order.
fn offered(headers: &HeaderMap) -> Vec<String> {
    let lines = headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter().filter_map(|value| value.to_str().ok());
    lines.flat_map(|line| line.split(',')).map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

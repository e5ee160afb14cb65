//! A WebSocket of the service: limits the rate and the size of incoming frames, and the time of outgoing messages. Desks
//! and GraphQL have one each, with their own messages.

use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket};
use serde::Serialize;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::http::connection::departure::Departure;
use crate::limits::rate::Rate;

/// Bytes of a long message for which a second is added to the time limit for sending: the least pace of all answers.
const BYTES_A_SECOND: u64 = 4 * 1024;
/// Time limit for the peer's answer to a close.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// Close codes of a peer that closes on purpose: normal closure, going away, no code given.
const CLEAN_CLOSE_CODES: [u16; 3] = [1_000, 1_001, 1_005];

/// Close code for a message that is too long.
pub const TOO_BIG: u16 = 1_009;
/// Close code for a service that stops or restarts: reconnect at once.
pub const RESTART: u16 = 1_012;
/// Close code for too many connections, or too much work: reconnect later.
pub const LATER: u16 = 1_013;

/// The limits of one protocol.
#[derive(Clone, Copy, Debug)]
pub struct SocketTerms {
    /// Longest text message, in bytes.
    pub message_bytes: usize,
    /// Time limit for sending a message, with a second more for every 4 KiB; the connection of a peer that does not read
    /// is cut.
    pub send_timeout: Duration,
}

/// A received frame, or the event that ended the wait for one.
#[derive(Debug)]
pub enum Incoming {
    /// A text message.
    Text(Utf8Bytes),
    /// A binary message, which the protocol does not have.
    Binary,
    /// A message longer than [`SocketTerms::message_bytes`].
    TooBig,
    /// A ping or a pong: a sign of life.
    PingOrPong,
    /// A frame above the rate of the socket.
    TooFast,
    /// The peer closed the connection.
    Closed,
    /// The connection broke, or was closed with an error.
    Lost,
    /// The caller's token was cancelled: for a desk, another connection took over the session, or the tenant was deleted.
    Superseded,
    /// A credential of the tenant was revoked: the connection's own must be checked.
    Revocation,
    /// The deadline has come.
    Due,
    /// The service stops, or drains and closes this connection.
    Stopping,
}

/// The peer is gone, or does not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Disconnected;

/// A WebSocket with its limits.
pub struct Socket {
    socket: WebSocket,
    clock: Clock,
    departure: Departure,
    revocations: watch::Receiver<()>,
    pace: Option<Rate>,
    terms: SocketTerms,
}

impl Socket {
    /// Wraps a WebSocket that was just opened. Without a pace any number of frames is accepted.
    pub fn new(socket: WebSocket, clock: Clock, departure: Departure, terms: SocketTerms, pace: Option<Rate>) -> Self {
        // Of no tenant: nothing is ever announced on it.
        let (_, revocations) = watch::channel(());
        Socket { socket, clock, departure, revocations, pace, terms }
    }

    /// Reports the revocations of a tenant from now on.
    pub fn watch(&mut self, revocations: watch::Receiver<()>) {
        self.revocations = revocations;
    }

    /// Changes the length of the longest text message.
    pub fn limit_messages(&mut self, bytes: usize) {
        self.terms.message_bytes = bytes;
    }

    /// Returns true if the rate of its frames is limited.
    pub fn is_paced(&self) -> bool {
        self.pace.is_some()
    }

    /// Waits for the next frame, until the service closes its connections, `superseded` is cancelled, a credential of the tenant is
    /// revoked, or the monotonic time `until` has come.
    pub async fn recv(&mut self, superseded: &CancellationToken, until: Duration) -> Incoming {
        tokio::select! {
            biased;
            () = self.departure.due() => Incoming::Stopping,
            () = superseded.cancelled() => Incoming::Superseded,
            () = changed(&mut self.revocations) => Incoming::Revocation,
            // Before the frames, whose steady stream could otherwise keep the deadline waiting.
            () = self.clock.sleep_until(until) => Incoming::Due,
            frame = self.socket.recv() => {
                paced(classify(frame, self.terms.message_bytes), self.pace.as_ref())
            }
        }
    }

    /// Sends a message; [`Disconnected`] if it cannot be sent in time, or the service stops.
    pub async fn send<T: Serialize>(&mut self, message: &T) -> Result<(), Disconnected> {
        // Serialising our own plain types cannot fail.
        self.send_text(serde_json::to_string(message).unwrap_or_default()).await
    }

    /// Sends a text; fails as [`Socket::send`] does.
    pub async fn send_text(&mut self, text: String) -> Result<(), Disconnected> {
        self.write(Message::Text(text.into())).await
    }

    /// Sends a ping; fails as [`Socket::send`] does.
    pub async fn ping(&mut self) -> Result<(), Disconnected> {
        self.write(Message::Ping(bytes::Bytes::new())).await
    }

    async fn write(&mut self, message: Message) -> Result<(), Disconnected> {
        let bytes = if let Message::Text(text) = &message { text.len() as u64 } else { 0 };
        let limit = self.terms.send_timeout + Duration::from_secs(bytes / BYTES_A_SECOND);
        tokio::select! {
            biased;
            sent = self.socket.send(message) => sent.map_err(|_| Disconnected),
            () = self.clock.sleep(limit) => Err(Disconnected),
            () = self.departure.stopping().cancelled() => Err(Disconnected),
        }
    }

    /// Sends a close frame, and waits for the peer's answer up to the time limit.
    pub async fn close(mut self, code: u16, reason: &'static str) {
        let frame = CloseFrame { code, reason: reason.into() };
        let closing = async {
            if self.socket.send(Message::Close(Some(frame))).await.is_ok() {
                self.drain().await;
            }
        };
        let _in_time = tokio::time::timeout(CLOSE_TIMEOUT, closing).await;
    }

    /// Completes a close that the peer began.
    pub async fn finish(mut self) {
        let _in_time = tokio::time::timeout(CLOSE_TIMEOUT, self.drain()).await;
    }

    /// Reads to the end: closing a connection with unread bytes resets it, and the last message would be lost.
    async fn drain(&mut self) {
        while let Some(Ok(_)) = self.socket.recv().await {}
    }
}

/// Waits for the next revocation.
async fn changed(revocations: &mut watch::Receiver<()>) {
    if revocations.changed().await.is_err() {
        // Nothing is announced any more: the service has ended, which `stopping` shows.
        std::future::pending().await
    }
}

/// Returns the frame, or [`Incoming::TooFast`] if it exceeds the rate.
fn paced(incoming: Incoming, pace: Option<&Rate>) -> Incoming {
    let is_frame = matches!(incoming, Incoming::Text(_) | Incoming::Binary | Incoming::PingOrPong);
    if is_frame && pace.is_some_and(|pace| pace.check().is_err()) { Incoming::TooFast } else { incoming }
}

fn classify(frame: Option<Result<Message, axum::Error>>, message_bytes: usize) -> Incoming {
    match frame {
        Some(Ok(Message::Text(text))) if text.len() > message_bytes => Incoming::TooBig,
        Some(Ok(Message::Text(text))) => Incoming::Text(text),
        Some(Ok(Message::Binary(_))) => Incoming::Binary,
        Some(Ok(Message::Ping(_) | Message::Pong(_))) => Incoming::PingOrPong,
        Some(Ok(Message::Close(frame)))
            if frame.as_ref().is_none_or(|frame| CLEAN_CLOSE_CODES.contains(&frame.code)) =>
        {
            Incoming::Closed
        }
        // Any other code means an error, after which the peer may reconnect: a desk's session is kept for its lease.
        Some(Ok(Message::Close(_)) | Err(_)) | None => Incoming::Lost,
    }
}

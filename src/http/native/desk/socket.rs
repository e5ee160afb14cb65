//! The WebSocket: limits the rate of incoming frames, and the time of outgoing messages.

use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::MESSAGE_BYTES;
use super::protocol::Reply;
use crate::clock::Clock;
use crate::limits::rate::Rate;

/// Time limit for sending a message; the connection of a desk that does not read is cut.
const SEND_TIMEOUT: Duration = Duration::from_secs(5);
/// Time limit for the peer's answer to a close.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// Close codes of a desk that closes on purpose: normal closure, going away, no code given.
const CLEAN_CLOSE_CODES: [u16; 3] = [1_000, 1_001, 1_005];

/// Close codes of the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// The desk violates the protocol.
    Policy = 1_008,
    /// A message is too long.
    TooBig = 1_009,
    /// The service stops or restarts: reconnect at once.
    Restart = 1_012,
    /// Too many connections: reconnect later.
    Later = 1_013,
    /// The session no longer belongs to the connection.
    Ended = 4_001,
}

/// A received frame, or the event that ended the wait for one.
#[derive(Debug)]
pub enum Incoming {
    /// A text message.
    Text(Utf8Bytes),
    /// A binary message, which the protocol does not have.
    Binary,
    /// A message longer than [`MESSAGE_BYTES`].
    TooBig,
    /// A ping or a pong: a sign of life.
    PingOrPong,
    /// A frame above the rate of the socket.
    TooFast,
    /// The desk closed the connection.
    Closed,
    /// The connection broke, or was closed with an error.
    Lost,
    /// Another connection took over the session, or the tenant was deleted.
    Superseded,
    /// A credential of the tenant was revoked: the connection's own must be checked.
    Revocation,
    /// The deadline has come.
    Due,
    /// The service stops.
    Stopping,
}

/// The peer is gone, or does not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Disconnected;

/// A WebSocket with its limits.
pub struct Socket {
    socket: WebSocket,
    clock: Clock,
    stopping: CancellationToken,
    revocations: watch::Receiver<()>,
    pace: Option<Rate>,
}

impl Socket {
    /// Wraps a WebSocket that was just opened with a credential. `revocations` are those of its tenant; without a pace any
    /// number of frames is accepted.
    pub fn new(
        socket: WebSocket,
        clock: Clock,
        stopping: CancellationToken,
        revocations: watch::Receiver<()>,
        pace: Option<Rate>,
    ) -> Self {
        Socket { socket, clock, stopping, revocations, pace }
    }

    /// Returns true if the rate of its frames is limited.
    pub fn is_paced(&self) -> bool {
        self.pace.is_some()
    }

    /// Waits for the next frame, until the service stops, `superseded` is cancelled, a credential of the tenant is
    /// revoked, or the monotonic time `until` has come.
    pub async fn recv(&mut self, superseded: &CancellationToken, until: Duration) -> Incoming {
        tokio::select! {
            biased;
            () = self.stopping.cancelled() => Incoming::Stopping,
            () = superseded.cancelled() => Incoming::Superseded,
            () = changed(&mut self.revocations) => Incoming::Revocation,
            // Before the frames, whose steady stream could otherwise keep the deadline waiting.
            () = self.clock.sleep_until(until) => Incoming::Due,
            frame = self.socket.recv() => paced(classify(frame), self.pace.as_ref()),
        }
    }

    /// Sends a message; [`Disconnected`] if it cannot be sent in time, or the service stops.
    pub async fn send(&mut self, reply: &Reply<'_>) -> Result<(), Disconnected> {
        // Serialising our own plain types cannot fail.
        let text = serde_json::to_string(reply).unwrap_or_default();
        self.write(Message::Text(text.into())).await
    }

    /// Sends a ping; fails as [`Socket::send`] does.
    pub async fn ping(&mut self) -> Result<(), Disconnected> {
        self.write(Message::Ping(bytes::Bytes::new())).await
    }

    async fn write(&mut self, message: Message) -> Result<(), Disconnected> {
        tokio::select! {
            biased;
            sent = self.socket.send(message) => sent.map_err(|_| Disconnected),
            () = self.clock.sleep(SEND_TIMEOUT) => Err(Disconnected),
            () = self.stopping.cancelled() => Err(Disconnected),
        }
    }

    /// Sends a close frame, and waits for the peer's answer up to the time limit.
    pub async fn close(mut self, code: Code, reason: &'static str) {
        let frame = CloseFrame { code: code as u16, reason: reason.into() };
        let closing = async {
            if self.socket.send(Message::Close(Some(frame))).await.is_ok() {
                self.drain().await;
            }
        };
        let _in_time = tokio::time::timeout(CLOSE_TIMEOUT, closing).await;
    }

    /// Completes a close that the desk began.
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

fn classify(frame: Option<Result<Message, axum::Error>>) -> Incoming {
    match frame {
        Some(Ok(Message::Text(text))) if text.len() > MESSAGE_BYTES => Incoming::TooBig,
        Some(Ok(Message::Text(text))) => Incoming::Text(text),
        Some(Ok(Message::Binary(_))) => Incoming::Binary,
        Some(Ok(Message::Ping(_) | Message::Pong(_))) => Incoming::PingOrPong,
        Some(Ok(Message::Close(frame)))
            if frame.as_ref().is_none_or(|frame| CLEAN_CLOSE_CODES.contains(&frame.code)) =>
        {
            Incoming::Closed
        }
        // Any other code means an error, after which the desk may reconnect: the session is kept for its lease.
        Some(Ok(Message::Close(_)) | Err(_)) | None => Incoming::Lost,
    }
}

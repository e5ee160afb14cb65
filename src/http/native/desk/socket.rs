//! The WebSocket: frames in at a bounded pace, and messages out within bounds of time.

use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket};
use tokio_util::sync::CancellationToken;

use super::MESSAGE_BYTES;
use super::protocol::Reply;
use crate::clock::Clock;
use crate::limits::rate::Rate;

/// How long a desk may leave an answer unread; then the connection is cut.
const SEND_TIMEOUT: Duration = Duration::from_secs(5);
/// How long the other end has to answer a close.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// Codes of a desk that closes on purpose: done, going away, none given.
const CLEAN: [u16; 3] = [1_000, 1_001, 1_005];

/// Why the server closes a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// The desk does not keep to the protocol.
    Policy = 1_008,
    /// A message is too long.
    TooBig = 1_009,
    /// The service stops: come again at once.
    Restart = 1_012,
    /// Too many: come again later.
    Later = 1_013,
    /// The session was ended otherwise: connect anew.
    Ended = 4_001,
}

/// A frame that came, or what happened instead.
#[derive(Debug)]
pub enum Incoming {
    /// A message.
    Text(Utf8Bytes),
    /// A binary message, of which there are none.
    Binary,
    /// A message past the limit.
    TooBig,
    /// A ping or a pong: it is there.
    Sign,
    /// More frames than the pace of a socket allows.
    TooFast,
    /// The desk has closed.
    Closed,
    /// The connection is gone without a close.
    Lost,
    /// Another connection has taken the session over.
    Superseded,
    /// The time to wait is over.
    Due,
    /// The service stops.
    Stopping,
}

/// The other end is gone, or does not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Disconnected;

/// A WebSocket.
pub struct Socket {
    socket: WebSocket,
    clock: Clock,
    stopping: CancellationToken,
    pace: Option<Rate>,
}

impl Socket {
    /// A WebSocket that was just opened; without a pace any number of frames is read.
    pub fn new(socket: WebSocket, clock: Clock, stopping: CancellationToken, pace: Option<Rate>) -> Self {
        Socket { socket, clock, stopping, pace }
    }

    /// Whether its messages are bounded.
    pub fn is_paced(&self) -> bool {
        self.pace.is_some()
    }

    /// Returns the next frame, or that the service stops, `superseded` was cancelled, or the time `until` has come.
    pub async fn recv(&mut self, superseded: &CancellationToken, until: Duration) -> Incoming {
        tokio::select! {
            biased;
            () = self.stopping.cancelled() => Incoming::Stopping,
            () = superseded.cancelled() => Incoming::Superseded,
            // Before what comes in, which might never stop coming.
            () = self.clock.sleep_until(until) => Incoming::Due,
            frame = self.socket.recv() => paced(heard(frame), self.pace.as_ref()),
        }
    }

    /// Sends a message.
    pub async fn send(&mut self, reply: &Reply<'_>) -> Result<(), Disconnected> {
        // Serialising our own plain types cannot fail.
        let text = serde_json::to_string(reply).unwrap_or_default();
        self.write(Message::Text(text.into())).await
    }

    /// Sends a ping.
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

    /// Closes with a code and a reason.
    pub async fn close(mut self, code: Code, reason: &'static str) {
        let frame = CloseFrame { code: code as u16, reason: reason.into() };
        let closing = async {
            if self.socket.send(Message::Close(Some(frame))).await.is_ok() {
                self.drain().await;
            }
        };
        let _in_time = tokio::time::timeout(CLOSE_TIMEOUT, closing).await;
    }

    /// Completes the close of a desk.
    pub async fn finish(mut self) {
        let _in_time = tokio::time::timeout(CLOSE_TIMEOUT, self.drain()).await;
    }

    /// Reads to the end: a connection that is closed with unread bytes is reset, and what was sent last is lost.
    async fn drain(&mut self) {
        while let Some(Ok(_)) = self.socket.recv().await {}
    }
}

/// Returns the frame, or that it was one too many for the pace.
fn paced(heard: Incoming, pace: Option<&Rate>) -> Incoming {
    let is_frame = matches!(heard, Incoming::Text(_) | Incoming::Binary | Incoming::Sign);
    if is_frame && pace.is_some_and(|pace| pace.check().is_err()) { Incoming::TooFast } else { heard }
}

fn heard(frame: Option<Result<Message, axum::Error>>) -> Incoming {
    match frame {
        Some(Ok(Message::Text(text))) if text.len() > MESSAGE_BYTES => Incoming::TooBig,
        Some(Ok(Message::Text(text))) => Incoming::Text(text),
        Some(Ok(Message::Binary(_))) => Incoming::Binary,
        Some(Ok(Message::Ping(_) | Message::Pong(_))) => Incoming::Sign,
        Some(Ok(Message::Close(frame))) if frame.as_ref().is_none_or(|frame| CLEAN.contains(&frame.code)) => {
            Incoming::Closed
        }
        // Any other code says that something went wrong, and the desk may be back in a moment.
        Some(Ok(Message::Close(_)) | Err(_)) | None => Incoming::Lost,
    }
}

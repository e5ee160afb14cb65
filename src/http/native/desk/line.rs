//! The connection itself: what is heard on it, and what is said within bounds of time.

use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket};
use tokio_util::sync::CancellationToken;

use super::MESSAGE_BYTES;
use super::protocol::Reply;
use crate::clock::Clock;
use crate::limits::rate::Rate;

/// How long a desk may leave an answer unread; then the connection is cut.
const SEND_PATIENCE: Duration = Duration::from_secs(5);
/// How long the other end has to take leave.
const FAREWELL: Duration = Duration::from_secs(1);

/// Codes with which a desk says that it is closed: it is done, it goes elsewhere, or it says nothing.
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

/// What was heard, or what happened meanwhile.
#[derive(Debug)]
pub enum Heard {
    /// A message.
    Text(Utf8Bytes),
    /// A message that is none of ours.
    Binary,
    /// A message past the limit.
    TooBig,
    /// A ping or a pong: it is there.
    Sign,
    /// More frames than the pace of a socket allows.
    TooFast,
    /// The desk has closed.
    Closed,
    /// The connection is gone, and nobody said so.
    Lost,
    /// Another connection has taken the session over.
    Ousted,
    /// The time has come.
    Due,
    /// The service stops.
    Stopping,
}

/// The other end is not there, or does not listen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gone;

/// A connection.
pub struct Line {
    socket: WebSocket,
    clock: Clock,
    stopping: CancellationToken,
    pace: Option<Rate>,
}

impl Line {
    /// A connection that was just made.
    pub fn new(socket: WebSocket, clock: Clock, stopping: CancellationToken, pace: Option<Rate>) -> Self {
        Line { socket, clock, stopping, pace }
    }

    /// Whether its messages are bounded.
    pub fn is_paced(&self) -> bool {
        self.pace.is_some()
    }

    /// The next that is heard, until the service stops, `ousted` is cancelled, or the time `until`.
    pub async fn hear(&mut self, ousted: &CancellationToken, until: Duration) -> Heard {
        tokio::select! {
            biased;
            () = self.stopping.cancelled() => Heard::Stopping,
            () = ousted.cancelled() => Heard::Ousted,
            // Before what comes in, which might never stop coming.
            () = self.clock.sleep_until(until) => Heard::Due,
            frame = self.socket.recv() => paced(heard(frame), self.pace.as_ref()),
        }
    }

    /// Says something.
    pub async fn say(&mut self, reply: &Reply<'_>) -> Result<(), Gone> {
        // Serialising our own plain types cannot fail.
        let text = serde_json::to_string(reply).unwrap_or_default();
        self.send(Message::Text(text.into())).await
    }

    /// Asks whether the other end is there.
    pub async fn ping(&mut self) -> Result<(), Gone> {
        self.send(Message::Ping(bytes::Bytes::new())).await
    }

    async fn send(&mut self, message: Message) -> Result<(), Gone> {
        tokio::select! {
            biased;
            sent = self.socket.send(message) => sent.map_err(|_| Gone),
            () = self.clock.sleep(SEND_PATIENCE) => Err(Gone),
            () = self.stopping.cancelled() => Err(Gone),
        }
    }

    /// Closes, and says why.
    pub async fn close(mut self, code: Code, reason: &'static str) {
        let frame = CloseFrame { code: code as u16, reason: reason.into() };
        let closing = async {
            if self.socket.send(Message::Close(Some(frame))).await.is_ok() {
                self.drain().await;
            }
        };
        let _in_time = tokio::time::timeout(FAREWELL, closing).await;
    }

    /// Takes leave of a desk that has closed.
    pub async fn finish(mut self) {
        let _in_time = tokio::time::timeout(FAREWELL, self.drain()).await;
    }

    /// Reads to the end: closed with something unread, a connection is reset, and its last words with it.
    async fn drain(&mut self) {
        while let Some(Ok(_)) = self.socket.recv().await {}
    }
}

/// What was heard, or that it was one frame too many.
fn paced(heard: Heard, pace: Option<&Rate>) -> Heard {
    let is_frame = matches!(heard, Heard::Text(_) | Heard::Binary | Heard::Sign);
    if is_frame && pace.is_some_and(|pace| pace.check().is_err()) { Heard::TooFast } else { heard }
}

fn heard(frame: Option<Result<Message, axum::Error>>) -> Heard {
    match frame {
        Some(Ok(Message::Text(text))) if text.len() > MESSAGE_BYTES => Heard::TooBig,
        Some(Ok(Message::Text(text))) => Heard::Text(text),
        Some(Ok(Message::Binary(_))) => Heard::Binary,
        Some(Ok(Message::Ping(_) | Message::Pong(_))) => Heard::Sign,
        Some(Ok(Message::Close(frame))) if frame.as_ref().is_none_or(|frame| CLEAN.contains(&frame.code)) => {
            Heard::Closed
        }
        // Any other code says that something went wrong, and the desk may be back in a moment.
        Some(Ok(Message::Close(_)) | Err(_)) | None => Heard::Lost,
    }
}

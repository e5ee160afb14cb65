//! The handshake: the first message of a connection names its user and session.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::connections::{Connections, DeskConnection};
use super::limits::{Code, DESK, DESK_MESSAGE, MAX_ERRORS, TOO_FAST, count};
use super::protocol::{Hello, Message, Reply};
use crate::auth::tickets::Pass;
use crate::auth::{Authorized, EventsWrite};
use crate::command::desk::connect::{Opened, Opening, connect};
use crate::command::desk::{HeldSession, Link};
use crate::domain::settings::desk::DeskTerms;
use crate::domain::{Fault, event};
use crate::http::state::AppState;
use crate::http::websocket::{Disconnected, Incoming, Socket};

/// Time limit for the first message.
const HELLO_TIMEOUT: Duration = Duration::from_secs(10);

/// A connection whose first message was not accepted yet.
pub struct Handshake {
    pub app: AppState,
    pub connections: Connections,
    pub socket: Socket,
    pub caller: Authorized<EventsWrite>,
    /// The user, and possibly the session, of the ticket, if the connection came with one.
    pub pass: Option<Pass>,
}

/// The rejection of a first message.
enum HandshakeError {
    /// The message is invalid; the desk can send a corrected one.
    Wrong(&'static str),
    /// A temporary failure: the desk can send the same message after this many seconds.
    Unavailable(u32),
    /// The connection is closed with this code and reason.
    Close(Code, &'static str),
}

/// A first message that was accepted.
pub struct Accepted {
    /// The tenant's position at which the session is open.
    pub position: u64,
    /// The user and session, and the event that opened it for this connection.
    pub link: Link,
    /// The connection's hold of the session.
    pub held: HeldSession,
    /// The connection's entry in the registry.
    pub connection: DeskConnection,
    /// The lease and the interval of heartbeats, in seconds.
    pub terms: DeskTerms,
    /// Monotonic time at which the message arrived; the lease runs from it.
    pub heard: Duration,
}

impl Handshake {
    /// Waits for the first message and opens its session; returns itself with it, or `None` if the connection ended
    /// instead.
    pub async fn accept(mut self) -> Option<(Self, Accepted)> {
        // Without a session there is no other connection that could supersede this one.
        let never = CancellationToken::new();
        let mut until = self.app.clock().monotonic() + HELLO_TIMEOUT;
        let mut errors = 0;
        loop {
            let refused = match self.socket.recv(&never, until).await {
                Incoming::Text(text) => match self.hello(&text).await {
                    Ok(accepted) => return Some((self, accepted)),
                    Err(refused) => refused,
                },
                Incoming::PingOrPong => continue,
                Incoming::Revocation => match self.app.revalidate(&self.caller).map_err(handshake_error) {
                    Err(refused @ HandshakeError::Close(..)) => refused,
                    // Another credential was revoked, or the check is made with the first message.
                    _ => continue,
                },
                Incoming::Binary => HandshakeError::Wrong("messages are text"),
                Incoming::TooBig => HandshakeError::Close(Code::TooBig, "at most 16 KiB"),
                Incoming::TooFast => HandshakeError::Close(Code::Policy, TOO_FAST),
                Incoming::Due => HandshakeError::Close(Code::Policy, "no hello"),
                Incoming::Stopping => HandshakeError::Close(Code::Restart, "stopping"),
                Incoming::Closed | Incoming::Lost | Incoming::Superseded => {
                    self.socket.finish().await;
                    return None;
                }
            };
            if matches!(refused, HandshakeError::Wrong(_)) {
                errors += 1;
                self.app.rejections().count(self.caller.tenant(), [(DESK, DESK_MESSAGE)]);
            }
            let sent = match refused {
                HandshakeError::Wrong(reason) if errors < MAX_ERRORS => {
                    self.socket.send(&Reply::Error { reason }).await
                }
                HandshakeError::Wrong(_) => {
                    self.socket.close(Code::Policy as u16, "too many mistakes").await;
                    return None;
                }
                HandshakeError::Unavailable(retry_after) => {
                    until = self.app.clock().monotonic() + HELLO_TIMEOUT;
                    self.socket.send(&Reply::Unavailable { id: None, retry_after }).await
                }
                HandshakeError::Close(code, reason) => {
                    self.socket.close(code as u16, reason).await;
                    return None;
                }
            };
            if sent == Err(Disconnected) {
                return None;
            }
        }
    }

    /// Opens the session that a first message names.
    async fn hello(&mut self, text: &str) -> Result<Accepted, HandshakeError> {
        let Message::Hello(hello) = Message::read(text).map_err(HandshakeError::Wrong)? else {
            return Err(HandshakeError::Wrong("hello comes first"));
        };
        let app = &self.app;
        let heard = app.clock().monotonic();
        // The credential may have been revoked since the connection was opened.
        let caller = app.revalidate(&self.caller).map_err(handshake_error)?;
        count(app, &self.socket, &caller, 0).map_err(handshake_error)?;
        let terms = app.settings().of(caller.tenant()).desk(app.edge().desk);
        let opening = self.opening(hello, &caller, terms)?;
        let too_many = HandshakeError::Close(Code::Later, "too many desks of this user");
        let connection = self.connections.take((caller.tenant(), opening.user), &opening.session).ok_or(too_many)?;
        let superseded = connection.superseded().clone();
        let connected = connect(app.command(&caller), opening, superseded).await;
        let Opened { position, link, held } = connected.map_err(|fault| match fault {
            Fault::TooMany { .. } => HandshakeError::Close(Code::Later, "too many desks of this user"),
            fault => handshake_error(fault),
        })?;
        Ok(Accepted { position, link, held, connection, terms, heard })
    }

    /// Checks the members of a first message, against the ticket if there is one.
    fn opening(
        &self,
        hello: Hello,
        caller: &Authorized<EventsWrite>,
        terms: DeskTerms,
    ) -> Result<Opening, HandshakeError> {
        let app = &self.app;
        let view = app.reader().snapshot(caller.tenant()).map_err(handshake_error)?.view;
        let named = hello.user.map(|user| view.directory().profile_of(&user).map(|profile| profile.id));
        let user = match (&self.pass, named) {
            (_, Some(None)) => return Err(HandshakeError::Wrong("unknown user")),
            (Some(pass), Some(Some(user))) if user != pass.user => {
                return Err(HandshakeError::Wrong("the ticket is for another user"));
            }
            (Some(pass), _) => pass.user,
            (None, Some(Some(user))) => user,
            (None, None) => return Err(HandshakeError::Wrong("user is missing")),
        };
        let wrong = |reason: event::Reason| HandshakeError::Wrong(reason.text());
        let session = hello.session.as_deref().map(event::session).transpose().map_err(wrong)?;
        let session = match (self.pass.as_ref().and_then(|pass| pass.session.clone()), session) {
            (Some(of_ticket), Some(session)) if of_ticket != session => {
                return Err(HandshakeError::Wrong("the ticket is for another session"));
            }
            (Some(session), _) | (None, Some(session)) => session,
            (None, None) => app.clock().new_id().to_string().into(),
        };
        let device = hello.device.as_deref().map(event::device).transpose().map_err(wrong)?;
        Ok(Opening { user, session, device, surface: hello.surface, lease_seconds: terms.lease })
    }
}

/// Translates a fault into the rejection of a first message.
fn handshake_error(fault: Fault) -> HandshakeError {
    match fault {
        Fault::NotFound(_) => HandshakeError::Wrong("unknown user"),
        Fault::CredentialMissing | Fault::CredentialInvalid | Fault::Forbidden => {
            HandshakeError::Close(Code::Policy, "the credential is no longer valid")
        }
        fault => HandshakeError::Unavailable(fault.retry_after().unwrap_or(1)),
    }
}

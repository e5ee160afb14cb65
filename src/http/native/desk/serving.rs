//! Serves a connected desk: its messages one at a time, its lease, and the end of its connection.

use std::time::Duration;

use super::connections::DeskConnection;
use super::handshake::{Accepted, Handshake};
use super::limits::{Code, DESK, DESK_MESSAGE, MAX_ERRORS, TOO_FAST, count};
use super::protocol::{EventMessage, Message, Reply};
use crate::auth::{Authorized, EventsWrite};
use crate::command::desk::disconnect::disconnect;
use crate::command::desk::renew::renew;
use crate::command::desk::report::report;
use crate::command::desk::{HeldSession, Link};
use crate::domain::event::{Refusal, Rejection};
use crate::domain::settings::desk::DeskTerms;
use crate::domain::{Fault, Outcome};
use crate::engine::PAUSE_THRESHOLD;
use crate::http::state::AppState;
use crate::http::websocket::{Disconnected, Incoming, Socket};

/// Shortest time between two renewals of a desk that reach the engine, however often frames arrive.
const RENEWAL_INTERVAL: Duration = Duration::from_secs(1);

/// A connected desk.
pub struct Desk {
    app: AppState,
    socket: Socket,
    caller: Authorized<EventsWrite>,
    link: Link,
    _held: HeldSession,
    connection: DeskConnection,
    terms: DeskTerms,
    times: LeaseTimes,
    errors: u32,
}

/// The times that a desk's lease and pings depend on; all monotonic.
struct LeaseTimes {
    /// Arrival of the last frame.
    last_frame: Duration,
    /// The time since the last frame for which the process stood still.
    paused: Duration,
    /// Last renewal of the lease, or attempt to renew it.
    last_attempt: Duration,
    /// Arrival of the last frame since the last renewal: the lease is still to be extended from it.
    unrenewed: Option<Duration>,
    /// Time of the next ping.
    next_ping: Duration,
}

/// The reason for the end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// The desk closed it.
    Closed,
    /// It broke, or the desk stopped reading.
    Lost,
    /// The session no longer belongs to this connection, for this reason.
    Ended(&'static str),
    /// The service closes it with this code and reason.
    Cut(Code, &'static str),
}

impl From<Disconnected> for End {
    fn from(_: Disconnected) -> Self {
        End::Lost
    }
}

/// Ends the connection while another server has the store: a desk that stays would not reach the server that decides over
/// its lease.
fn reject_if_taken(app: &AppState) -> Result<(), End> {
    app.reader().health().reject_if_taken().map_err(|_| End::Cut(Code::Restart, "another server runs"))
}

impl Desk {
    /// Sends the welcome; `None` if the desk does not read it. Its session stays connected until the lease ends.
    pub async fn welcome(handshake: Handshake, accepted: Accepted) -> Option<Self> {
        let Handshake { app, mut socket, caller, .. } = handshake;
        let Accepted { position, link, held, connection, terms, heard } = accepted;
        let welcome = Reply::Welcome {
            position,
            lease_seconds: terms.lease,
            heartbeat_seconds: terms.heartbeat,
            user: link.user.to_string(),
            session: &link.session,
        };
        socket.send(&welcome).await.ok()?;
        let times = LeaseTimes {
            last_frame: heard,
            paused: Duration::ZERO,
            last_attempt: heard,
            unrenewed: None,
            next_ping: heard + seconds(terms.heartbeat),
        };
        Some(Desk { app, socket, caller, link, _held: held, connection, terms, times, errors: 0 })
    }

    /// Serves the desk until its connection ends.
    pub async fn serve(mut self) {
        let end = loop {
            if let Err(end) = self.step().await {
                break end;
            }
        };
        self.end(end).await;
    }

    /// Waits for a frame or the next deadline, and handles what is due.
    async fn step(&mut self) -> Result<(), End> {
        let due = self.due();
        let heard = self.socket.recv(self.connection.superseded(), due).await;
        self.excuse(self.app.clock().monotonic().saturating_sub(due));
        if matches!(heard, Incoming::Text(_) | Incoming::Binary | Incoming::TooBig | Incoming::PingOrPong) {
            let now = self.app.clock().monotonic();
            (self.times.last_frame, self.times.unrenewed) = (now, Some(now));
            self.times.paused = Duration::ZERO;
        }
        reject_if_taken(&self.app)?;
        match heard {
            Incoming::Text(text) => self.take(&text).await?,
            Incoming::Binary => self.reject("messages are text").await?,
            Incoming::PingOrPong | Incoming::Due => {}
            Incoming::Revocation => drop(self.revalidated()?),
            Incoming::TooBig => return Err(End::Cut(Code::TooBig, "at most 16 KiB")),
            Incoming::TooFast => return Err(End::Cut(Code::Policy, TOO_FAST)),
            Incoming::Stopping => return Err(End::Cut(Code::Restart, "stopping")),
            // Every credential of a deleted tenant is invalid.
            Incoming::Superseded if self.connection.is_of_deleted() => return Err(End::Ended("credential")),
            Incoming::Superseded => return Err(End::Ended("replaced")),
            Incoming::Closed => return Err(End::Closed),
            Incoming::Lost => return Err(End::Lost),
        }
        self.upkeep().await
    }

    /// Adds the time since the deadline that was waited for to the time for which the process stood still, which is no
    /// silence of the desk: what arrived meanwhile is not read yet.
    fn excuse(&mut self, late: Duration) {
        // The steps of a clock that a test drives are no pauses.
        if late > PAUSE_THRESHOLD && !self.app.clock().is_manual() {
            self.times.paused += late;
        }
    }

    /// Returns the time at which the desk has been silent for a whole lease.
    fn silent_at(&self) -> Duration {
        self.times.last_frame + self.times.paused + seconds(self.terms.lease)
    }

    /// Returns the next deadline if no frame arrives before: a ping, a renewal, or the end of the lease.
    fn due(&self) -> Duration {
        let LeaseTimes { last_attempt, unrenewed, next_ping, .. } = self.times;
        let renewal = unrenewed.map_or(next_ping, |_| last_attempt + RENEWAL_INTERVAL);
        next_ping.min(renewal).min(self.silent_at())
    }

    /// Renews the lease and pings where that is due; ends the connection when the lease has run out.
    async fn upkeep(&mut self) -> Result<(), End> {
        let now = self.app.clock().monotonic();
        if self.is_renewal_due(now) {
            // A renewal that fails stays due, and is tried again after `RENEWAL_INTERVAL`.
            let _retried = self.renew().await?;
        }
        if now >= self.times.next_ping {
            self.times.next_ping = now + seconds(self.terms.heartbeat);
            self.socket.ping().await?;
        }
        // No frame for a whole lease, not even an answer to a ping, although the connection is open.
        if now >= self.silent_at() { Err(End::Ended("closed")) } else { Ok(()) }
    }

    fn is_renewal_due(&self, now: Duration) -> bool {
        self.times.unrenewed.is_some() && now >= self.times.last_attempt + RENEWAL_INTERVAL
    }

    /// Renews the lease from the arrival of the last frame. Returns the tenant's position, or the seconds to wait
    /// before another attempt.
    async fn renew(&mut self) -> Result<Result<u64, u32>, End> {
        let heard = self.times.last_frame;
        self.times.last_attempt = self.app.clock().monotonic();
        let renewed = match self.revalidated()? {
            Ok(caller) => renew(self.app.command(&caller), &self.link, heard).await,
            Err(fault) => Err(fault),
        };
        match renewed {
            Ok(Ok(position)) => {
                self.times.unrenewed = None;
                Ok(Ok(position))
            }
            Ok(Err(rejection)) => Err(End::Ended(reason(&rejection))),
            // Still due, and tried again later. After an outage of the store every lease gets a full term first.
            Err(fault) => Ok(Err(fault.retry_after().unwrap_or(1))),
        }
    }

    /// Authenticates the caller again. An invalid credential ends the connection; any other fault is temporary.
    fn revalidated(&self) -> Result<Result<Authorized<EventsWrite>, Fault>, End> {
        match self.app.revalidate(&self.caller) {
            Err(Fault::CredentialMissing | Fault::CredentialInvalid | Fault::Forbidden) => {
                Err(End::Ended("credential"))
            }
            revalidated => Ok(revalidated),
        }
    }

    async fn take(&mut self, text: &str) -> Result<(), End> {
        match Message::read(text) {
            Ok(Message::Heartbeat) => self.heartbeat().await,
            Ok(Message::Event(message)) => self.event(&message).await,
            Ok(Message::Hello(_)) => self.reject("hello was received before").await,
            Err(reason) => self.reject(reason).await,
        }
    }

    async fn heartbeat(&mut self) -> Result<(), End> {
        // Above the rate only the answer changes: `upkeep` renews the lease all the same, since a frame arrived.
        if let Err(fault) = count(&self.app, &self.socket, &self.caller, 0) {
            return self.unavailable(None, &fault).await;
        }
        let reply = if self.is_renewal_due(self.app.clock().monotonic()) {
            match self.renew().await? {
                Ok(position) => Reply::Heartbeat { position },
                Err(retry_after) => Reply::Unavailable { id: None, retry_after },
            }
        } else {
            match self.app.reader().snapshot(self.caller.tenant()) {
                Ok(snapshot) => Reply::Heartbeat { position: snapshot.view.position() },
                Err(fault) => return self.unavailable(None, &fault).await,
            }
        };
        Ok(self.socket.send(&reply).await?)
    }

    async fn event(&mut self, message: &EventMessage<'_>) -> Result<(), End> {
        if let Err(fault) = count(&self.app, &self.socket, &self.caller, 1) {
            return self.unavailable(Some(message.id.as_ref()), &fault).await;
        }
        let (app, id) = (&self.app, message.id.as_ref());
        let (clock, reader) = (app.clock(), app.reader());
        let ready = match self.revalidated()? {
            Ok(caller) => reader.snapshot(caller.tenant()).map(|snapshot| (caller, snapshot)),
            Err(fault) => Err(fault),
        };
        let (caller, snapshot) = match ready {
            Ok(ready) => ready,
            Err(fault) => return self.unavailable(Some(id), &fault).await,
        };
        let event = match message.event(self.link.user, &self.link.session, clock.now()) {
            Ok(event) => event,
            Err(Refusal { reason, detail, .. }) => {
                app.rejections().count(caller.tenant(), [(DESK, reason.name())]);
                let (position, reason) = (snapshot.view.position(), Some(reason.text().to_owned()));
                let reply = Reply::Ack { id, outcome: "rejected", position, reason, detail };
                return Ok(self.socket.send(&reply).await?);
            }
        };
        let now = clock.monotonic();
        let (settings, due) = (app.settings().of(caller.tenant()), self.is_renewal_due(now));
        let reported = match report(app.command(&caller), &settings, &self.link, due, event).await {
            Ok(reported) => reported,
            Err(fault) => return self.unavailable(Some(id), &fault).await,
        };
        if due {
            (self.times.last_attempt, self.times.unrenewed) = (now, None);
        }
        let (outcome, position) = (&reported.outcome, reported.position);
        if let Outcome::Rejected(rejection) = outcome {
            app.rejections().count(caller.tenant(), [(DESK, rejection.name())]);
        }
        let ack = Reply::Ack { id, outcome: outcome.name(), position, reason: outcome.reason(), detail: None };
        self.socket.send(&ack).await?;
        reported.ended.map_or(Ok(()), |rejection| Err(End::Ended(reason(&rejection))))
    }

    /// Answers that a message was not processed, and when to send it again.
    async fn unavailable(&mut self, id: Option<&str>, fault: &Fault) -> Result<(), End> {
        let retry_after = fault.retry_after().unwrap_or(1);
        Ok(self.socket.send(&Reply::Unavailable { id, retry_after }).await?)
    }

    /// Answers that a message is invalid; at [`MAX_ERRORS`] closes the connection instead.
    async fn reject(&mut self, reason: &'static str) -> Result<(), End> {
        self.errors += 1;
        self.app.rejections().count(self.caller.tenant(), [(DESK, DESK_MESSAGE)]);
        if self.errors >= MAX_ERRORS {
            return Err(End::Cut(Code::Policy, "too many mistakes"));
        }
        Ok(self.socket.send(&Reply::Error { reason }).await?)
    }

    /// Ends the session if the desk closed the connection, else leaves it to its lease; closes the socket.
    async fn end(mut self, end: End) {
        match end {
            End::Closed => {
                if let Ok(caller) = self.app.revalidate(&self.caller)
                    && let Err(fault) = disconnect(self.app.command(&caller), &self.link).await
                {
                    tracing::debug!(%fault, "the session of a closed desk was not ended: it ends with its lease");
                }
                self.socket.finish().await;
            }
            End::Lost => self.settle().await,
            End::Ended(reason) => {
                if self.socket.send(&Reply::Ended { reason }).await.is_ok() {
                    self.socket.close(Code::Ended as u16, reason).await;
                }
            }
            End::Cut(code, reason) => {
                self.settle().await;
                self.socket.close(code as u16, reason).await;
            }
        }
    }

    /// Makes a renewal that is due, so that the lease of a lost desk runs from its last frame.
    async fn settle(&mut self) {
        if self.times.unrenewed.is_some() && !self.connection.superseded().is_cancelled() {
            let _best_effort = self.renew().await;
        }
    }
}

/// Returns the reason in `ended` for a rejected renewal.
fn reason(rejection: &Rejection) -> &'static str {
    match rejection {
        Rejection::OtherIncarnation => "replaced",
        Rejection::UnknownUser => "deleted",
        _ => "closed",
    }
}

fn seconds(seconds: u32) -> Duration {
    Duration::from_secs(seconds.into())
}

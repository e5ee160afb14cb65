//! Serves a client with an accepted credential: its messages one at a time, the answers of its operations, and pings.

use std::time::Duration;

use async_graphql::parser::types::OperationType;
use bytes::Bytes;
use serde_json::value::RawValue;
use tokio_util::sync::CancellationToken;

use super::Close;
use super::message::{Message, Reply, carrying};
use super::operations::{Operations, Produced, Query};
use crate::domain::{Fault, TenantId};
use crate::http::graphql::fault::{Answer, RequestError};
use crate::http::graphql::request::checked::{self, CheckedRequest, with_document};
use crate::http::graphql::request::execution;
use crate::http::graphql::state::GraphqlState;
use crate::http::graphql::subscription::question::{live_query, with_reset};
use crate::http::graphql::transport::answer_type::AnswerType;
use crate::http::live::authority::{Authority, CHECK_INTERVAL, CheckedAuthority, Ended};
use crate::http::live::{Instant, LiveEnd, LiveOperation, Newest};
use crate::http::websocket::{Disconnected, Incoming, LATER, RESTART, Socket};
use crate::limits::Owner;
use crate::query::{self, Freshness};

/// The time without a message of the service after which it sends a ping.
const PING_INTERVAL: Duration = Duration::from_secs(2);
/// The longest time for the answer to a ping.
const PONG_TIMEOUT: Duration = Duration::from_secs(30);
/// Most operations of one socket.
const MAX_OPERATIONS: usize = 100;

/// A client that may start operations.
pub struct Client {
    state: GraphqlState,
    socket: Socket,
    authority: CheckedAuthority,
    operations: Operations,
    /// Monotonic time of the next ping.
    next_ping: Duration,
    /// Monotonic time of the oldest ping without an answer.
    pinged: Option<Duration>,
}

/// The reason for the end of a connection.
enum End {
    /// The client closed it, or it broke.
    Gone,
    /// The service closes it.
    Closed(Close),
}

impl From<Disconnected> for End {
    fn from(_: Disconnected) -> Self {
        End::Gone
    }
}

impl From<Close> for End {
    fn from(close: Close) -> Self {
        End::Closed(close)
    }
}

impl From<Ended> for End {
    fn from(ended: Ended) -> Self {
        match ended {
            Ended::Revoked => Close::FORBIDDEN.into(),
            Ended::Changed => Close(RESTART, "the rights have changed").into(),
        }
    }
}

/// An operation that was accepted.
enum Started {
    Live(LiveOperation),
    Query(Query),
}

/// Something that a client waits for.
enum Event {
    Heard(Incoming),
    Produced(Box<str>, Produced),
}

impl Client {
    /// Makes a client without operations.
    pub fn new(state: GraphqlState, socket: Socket, authority: Authority) -> Self {
        let now = state.app.clock().monotonic();
        Client {
            state,
            socket,
            authority: CheckedAuthority::new(authority, now + CHECK_INTERVAL),
            operations: Operations::default(),
            next_ping: now + PING_INTERVAL,
            pinged: None,
        }
    }

    /// Serves the client until its connection ends.
    pub async fn serve(mut self) {
        let end = loop {
            if let Err(end) = self.step().await {
                break end;
            }
        };
        // Before the close, which waits for the client: executions must not go on for a client that has none.
        self.operations = Operations::default();
        match end {
            End::Gone => self.socket.finish().await,
            End::Closed(Close(code, reason)) => self.socket.close(code, reason).await,
        }
    }

    /// Waits for a frame, an answer or the next deadline, and handles it.
    async fn step(&mut self) -> Result<(), End> {
        let never = CancellationToken::new();
        let pong = self.pinged.map_or(self.next_ping, |pinged| pinged + PONG_TIMEOUT);
        let until = self.next_ping.min(self.authority.due()).min(pong);
        let event = tokio::select! {
            biased;
            heard = self.socket.recv(&never, until) => Event::Heard(heard),
            (id, produced) = self.operations.next() => Event::Produced(id, produced),
        };
        match event {
            Event::Heard(heard) => self.hear(heard).await?,
            Event::Produced(id, produced) => self.deliver(&id, produced).await?,
        }
        self.upkeep().await
    }

    async fn hear(&mut self, heard: Incoming) -> Result<(), End> {
        match heard {
            Incoming::Text(text) => self.take(&text).await,
            Incoming::PingOrPong => self.count(),
            Incoming::Due => Ok(()),
            Incoming::Revocation => self.check(),
            Incoming::Binary => Err(Close::BINARY.into()),
            Incoming::TooBig => Err(Close::TOO_BIG.into()),
            Incoming::TooFast => Err(Close::TOO_FAST.into()),
            Incoming::Stopping => Err(Close::STOPPING.into()),
            Incoming::Closed | Incoming::Lost | Incoming::Superseded => Err(End::Gone),
        }
    }

    async fn take(&mut self, text: &str) -> Result<(), End> {
        let message = Message::read(text).map_err(Close::malformed)?;
        // The pong that a ping of the service demands is no request of the client.
        if matches!(message, Message::Pong) && self.pinged.take().is_some() {
            return Ok(());
        }
        self.count()?;
        match message {
            Message::Init(_) => Err(Close::SECOND_INIT.into()),
            Message::Ping(payload) => Ok(self.socket.send(&Reply::Pong { payload }).await?),
            Message::Pong => Ok(()),
            Message::Subscribe { id, payload } => self.subscribe(&id, payload).await,
            Message::Complete { id } => {
                self.operations.remove(&id);
                Ok(())
            }
        }
    }

    /// Counts a frame against the tenant's rate.
    fn count(&self) -> Result<(), End> {
        if !self.socket.is_paced() {
            return Ok(());
        }
        self.state.app.tenants().count_message(self.tenant()).map_err(|_| Close::TOO_FAST.into())
    }

    fn tenant(&self) -> TenantId {
        self.authority.tenant()
    }

    /// Starts an operation, or answers why it cannot be.
    async fn subscribe(&mut self, id: &str, payload: &RawValue) -> Result<(), End> {
        if self.operations.has(id) {
            return Err(Close::ID_IN_USE.into());
        }
        if self.operations.len() >= MAX_OPERATIONS {
            return Err(Close(LATER, "too many operations of this socket").into());
        }
        match self.start(payload).await {
            Ok(Started::Live(operation)) => self.operations.add_live(id, operation),
            Ok(Started::Query(query)) => self.operations.add_query(id, query),
            Err(RequestError::Fault(Fault::TooMany { .. } | Fault::Unavailable(_))) => {
                return Err(Close(LATER, "too many operations of this account, or too much work").into());
            }
            Err(error) => self.answer("error", id, &error.errors()).await?,
        }
        Ok(())
    }

    async fn start(&mut self, payload: &RawValue) -> Result<Started, RequestError> {
        let (state, app, tenant) = (&self.state, &self.state.app, self.tenant());
        let body = Bytes::copy_from_slice(payload.get().as_bytes());
        let parameters = checked::parameters(state, Some(tenant), body).await?;
        let (request, document) = with_document(state, Some(tenant), parameters).await?;
        let checked = CheckedRequest::new(state, document, request, AnswerType::GraphqlResponse).await?;
        match checked.operation_type {
            OperationType::Subscription => {
                Ok(Started::Live(state.live.join(live_query(state, self.authority.authority(), checked)?)?))
            }
            OperationType::Query => {
                let caller = self.authority.authority().querying().ok_or(Fault::Forbidden)?;
                let (permit, entered) = (state.live.permits().operation(tenant)?, app.tenants().enter(tenant)?);
                let state = state.clone();
                let running = app.lifecycle().spawn_tracked(async move {
                    let snapshot = query::open(state.app.reader(), &caller, Freshness::default()).await?;
                    let answer = execution::answer_query(&state, caller, &snapshot, checked).await;
                    drop(entered);
                    answer
                });
                Ok(Started::Query(Query { running, _permit: permit }))
            }
            OperationType::Mutation => {
                Err(Fault::Malformed(String::from("mutations are not accepted here: send them with POST")).into())
            }
        }
    }

    /// Sends what an operation has produced.
    async fn deliver(&mut self, id: &str, produced: Produced) -> Result<(), End> {
        match produced {
            Produced::Newest(newest) => self.deliver_newest(id, newest).await,
            Produced::Answer(Ok(answer)) => match answer.refused() {
                Some(errors) => self.answer("error", id, errors).await,
                None => {
                    let Answer { body, .. } = answer;
                    self.answer("next", id, &body).await?;
                    Ok(self.socket.send(&Reply::Complete { id }).await?)
                }
            },
            Produced::Answer(Err(fault)) => self.answer("error", id, &RequestError::Fault(fault).errors()).await,
        }
    }

    async fn deliver_newest(&mut self, id: &str, newest: Newest) -> Result<(), End> {
        match newest.end {
            Some(LiveEnd::Refused(errors)) => return self.answer("error", id, &errors).await,
            Some(LiveEnd::Failed) => {
                return self.answer("error", id, &RequestError::Fault(Fault::Internal).errors()).await;
            }
            Some(LiveEnd::Deleted) => return Err(Close::FORBIDDEN.into()),
            None => {}
        }
        let Some(answer) = newest.answer else { return Ok(()) };
        // Nothing is sent by a right that ended.
        self.check()?;
        if newest.is_behind {
            return self.answer("next", id, &with_reset(&answer.body)).await;
        }
        self.answer("next", id, &answer.body).await
    }

    /// Sends a message with a text in JSON, whose bytes count against the tenant's answers until they are read.
    async fn answer(&mut self, kind: &str, id: &str, payload: &[u8]) -> Result<(), End> {
        let budget = self.state.app.answers();
        let held = budget.map(|budget| budget.take(Owner::Tenant(self.authority.tenant()), payload.len())).transpose();
        let held = held.map_err(|_| Close(LATER, "too many answers of this account are not read"))?;
        self.next_ping = self.state.app.clock().monotonic() + PING_INTERVAL;
        self.socket.send_text(carrying(kind, id, payload)).await?;
        drop(held);
        Ok(())
    }

    /// Pings and checks the authority where that is due; ends the connection of a client that does not answer pings.
    async fn upkeep(&mut self) -> Result<(), End> {
        let now = self.state.app.clock().monotonic();
        if self.pinged.is_some_and(|pinged| now >= pinged + PONG_TIMEOUT) {
            return Err(End::Gone);
        }
        self.authority.check_if_due(&self.state.app)?;
        if now >= self.next_ping {
            self.next_ping = now + PING_INTERVAL;
            self.ping().await?;
            self.pinged.get_or_insert(now);
        }
        Ok(())
    }

    /// Sends what operations have ready.
    async fn deliver_ready(&mut self) -> Result<(), End> {
        // One turn each: what comes meanwhile is not waited for.
        for _ in 0..self.operations.len() {
            tokio::select! {
                biased;
                (id, produced) = self.operations.next() => self.deliver(&id, produced).await?,
                () = std::future::ready(()) => break,
            }
        }
        Ok(())
    }

    async fn ping(&mut self) -> Result<(), End> {
        let app = &self.state.app;
        let health = app.reader().health();
        health.reject_if_taken().map_err(|_| Close(RESTART, "another server runs"))?;
        let snapshot = app.reader().snapshot(self.authority.tenant()).map_err(|fault| match fault {
            Fault::CredentialInvalid => Close::FORBIDDEN,
            _ => Close(LATER, "the account is out of service"),
        })?;
        let payload = Instant::of(&snapshot, app.clock().now()).answered(self.operations.answered());
        self.deliver_ready().await?;
        Ok(self.socket.send(&Reply::Ping { payload }).await?)
    }

    /// Checks the authority. Ends the connection if it was revoked, or has changed: its operations run by the former one.
    fn check(&self) -> Result<(), End> {
        Ok(self.authority.check(&self.state.app)?)
    }
}

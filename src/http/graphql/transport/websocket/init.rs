//! The time before a credential was accepted: the first message shows it.

use std::time::Duration;

use axum::http::Extensions;
use serde_json::value::RawValue;
use tokio_util::sync::CancellationToken;

use super::message::{Given, Message, Reply, credential};
use super::serving::Client;
use super::{Close, MESSAGE_BYTES};
use crate::domain::Fault;
use crate::http::connection::Connection;
use crate::http::extract::Peer;
use crate::http::extract::credential::token;
use crate::http::graphql::state::GraphqlState;
use crate::http::live::authority::Authority;
use crate::http::live::permits::LivePermit;
use crate::http::live::tickets::caller_of_socket;
use crate::http::request_context::RequestContext;
use crate::http::websocket::{Incoming, LATER, Socket};

/// Time limit for the first message.
const INIT_TIMEOUT: Duration = Duration::from_secs(5);

/// A socket without an accepted credential.
pub struct Guest {
    pub state: GraphqlState,
    pub socket: Socket,
    pub peer: Peer,
    pub connection: Option<Connection>,
    /// The credential of the upgrade.
    pub carried: Option<String>,
    pub permits: [LivePermit; 2],
}

impl Guest {
    /// Serves the socket from its first message to its end.
    pub async fn stay(mut self) {
        // Another connection may take the place of one without a credential.
        let cut = self.connection.as_ref().map_or_else(CancellationToken::new, |one| one.permit().cut().clone());
        let until = self.state.app.clock().monotonic() + INIT_TIMEOUT;
        let accepted = loop {
            let heard = self.socket.recv(&cut, until).await;
            match self.hear(heard).await {
                Ok(Some(accepted)) => break accepted,
                Ok(None) => {}
                Err(Some(close)) => return self.close(close).await,
                Err(None) => return self.socket.finish().await,
            }
        };
        let (authority, permit) = accepted;
        let Guest { state, socket, connection, permits, .. } = self;
        drop(permits);
        let client = Client::new(state, socket, authority);
        client.serve().await;
        drop((permit, connection));
    }

    /// Closes the socket.
    pub async fn close(self, Close(code, reason): Close) {
        self.socket.close(code, reason).await;
    }

    /// Handles a frame. Returns the authority once it is accepted; an error ends the connection, with a code or without.
    async fn hear(&mut self, heard: Incoming) -> Result<Option<(Authority, LivePermit)>, Option<Close>> {
        let text = match heard {
            Incoming::Text(text) => text,
            Incoming::PingOrPong | Incoming::Revocation => return Ok(None),
            Incoming::Binary => return Err(Some(Close::BINARY)),
            Incoming::TooBig => return Err(Some(Close::TOO_BIG)),
            Incoming::TooFast => return Err(Some(Close::TOO_FAST)),
            Incoming::Due => return Err(Some(Close::NO_INIT)),
            Incoming::Stopping => return Err(Some(Close::STOPPING)),
            Incoming::Closed | Incoming::Lost | Incoming::Superseded => return Err(None),
        };
        match Message::read(&text).map_err(Close::malformed)? {
            Message::Init(payload) => {
                let accepted = self.accept(payload).await?;
                self.socket.send(&Reply::ConnectionAck).await.map_err(|_| None)?;
                Ok(Some(accepted))
            }
            Message::Ping(payload) => {
                self.socket.send(&Reply::Pong { payload }).await.map_err(|_| None)?;
                Ok(None)
            }
            Message::Subscribe { .. } => Err(Some(Close::UNAUTHORIZED)),
            Message::Pong | Message::Complete { .. } => Ok(None),
        }
    }

    /// Authenticates the client, and counts its socket for the tenant.
    async fn accept(&mut self, payload: Option<&RawValue>) -> Result<(Authority, LivePermit), Close> {
        let given = payload.map_or(Ok(None), credential).map_err(Close::malformed)?;
        let authority = self.authority(given).await.map_err(|fault| Close::of_credential(&fault))?;
        let (app, tenant) = (&self.state.app, authority.tenant());
        let permit = self.state.live.permits().socket(tenant);
        let permit = permit.map_err(|_| Close(LATER, "too many sockets of this account"))?;
        if let Some(connection) = &self.connection {
            let kept = connection.permit().become_persistent(tenant);
            kept.map_err(|_| Close(LATER, "too many connections of this account"))?;
        }
        self.socket.watch(app.credentials().revocations(tenant));
        // Once more, now that no revocation is missed.
        let authority = authority.revalidate(app).map_err(|fault| Close::of_credential(&fault))?;
        self.socket.limit_messages(MESSAGE_BYTES);
        if let Authority::Link(link) = &authority {
            // Without the store the link shows its board all the same.
            let _noted = app.credentials().see_link(link).await;
        }
        Ok((authority, permit))
    }

    /// Authenticates by what the first message has, or else by the credential of the upgrade.
    async fn authority(&mut self, given: Option<Given>) -> Result<Authority, Fault> {
        let app = &self.state.app;
        // A request of its own, as the upgrade is answered already. Its permit ends here.
        let mut extensions = Extensions::new();
        extensions.insert(self.peer);
        let request = RequestContext::new(&extensions);
        let key = match &given {
            Some(Given::Ticket(ticket)) => {
                return Authority::of(caller_of_socket(app, &self.state.tickets, &request, ticket).await?);
            }
            Some(Given::Link(token)) => return Ok(Authority::Link(app.link(&request, token).await?)),
            Some(Given::Authorization(text)) => token(text),
            None => self.carried.as_deref(),
        };
        match key {
            Some(key) => Authority::of(app.caller(&request, Some(key)).await?),
            None => Err(app.refuse(&request, Fault::CredentialMissing)),
        }
    }
}

//! Tickets of live queries: for one WebSocket, or for one query of the plain event stream, which a page can neither
//! authenticate by a header (docs/decisions/0120-tickets-of-live-queries.md).

use std::net::IpAddr;

use super::{Kept, Redeemed, Tickets, in_turn};
use crate::auth::secret::{self, Secret};
use crate::auth::{Authorized, GraphqlRead};
use crate::domain::{Fault, Time};
use crate::limits::TurnKey;
use crate::limits::throttle::network;
use crate::store::TicketRecord;

/// Validity of a ticket for a WebSocket, in seconds.
pub const SOCKET_SECONDS: u32 = 60;
/// Validity of a ticket for a stream, in seconds: a page that stays open for a shift reconnects with it.
pub const STREAM_SECONDS: u32 = 12 * 60 * 60;

impl Tickets {
    /// Issues a ticket for one WebSocket or, with a query string, for any number of streams with that query. Returns it with
    /// the time of its expiry.
    ///
    /// [`Fault::TooMany`] if the tenant has [`super::MAX_PER_TENANT`] unused ones, [`Fault::Unavailable`] if the store does
    /// not answer.
    pub async fn issue_live(
        &self,
        caller: &Authorized<GraphqlRead>,
        query: Option<&str>,
    ) -> Result<(Secret, Time), Fault> {
        let (secret, now) = (Secret::generate("lt"), self.0.clock.now());
        let (hash, seconds) = match query {
            Some(query) => (secret::bound(secret.reveal(), query), STREAM_SECONDS),
            None => (secret.hash(), SOCKET_SECONDS),
        };
        let (tenant, credential, expires) =
            (caller.tenant(), caller.caller().credential, now.plus_seconds(seconds.into()));
        self.keep(TicketRecord { hash, tenant, credential, user: None, session: None, expires }, now).await?;
        Ok((secret, expires))
    }

    /// Uses a ticket for a WebSocket, which is invalid afterwards, for a client at the address `from`.
    ///
    /// [`Fault::CredentialInvalid`] if it is unknown, used, expired or for a stream; [`Fault::Unavailable`] if the store does
    /// not answer.
    pub async fn redeem_live(&self, ticket: &str, from: IpAddr) -> Result<Redeemed<()>, Fault> {
        let hash = secret::hash_of_live_ticket(ticket).ok_or(Fault::CredentialInvalid)?;
        let TicketRecord { credential, .. } = self.take(&hash, from).await?;
        Ok(Redeemed { credential, pass: () })
    }

    /// Finds a ticket for a stream with this query, for a client at the address `from`. It stays valid.
    ///
    /// [`Fault::CredentialInvalid`] if it is unknown, expired or for anything else; [`Fault::Unavailable`] if the store does
    /// not answer.
    pub async fn of_stream(&self, ticket: &str, query: &str, from: IpAddr) -> Result<Redeemed<()>, Fault> {
        secret::hash_of_live_ticket(ticket).ok_or(Fault::CredentialInvalid)?;
        let (hash, now) = (secret::bound(ticket, query), self.0.clock.now());
        let found = match &self.0.kept {
            Kept::InMemory(waiting) => waiting.lock().find(&hash, now),
            Kept::AsRows(rows, turns) => in_turn(turns, TurnKey::Network(network(from)), rows.find(&hash, now)).await?,
        };
        let TicketRecord { credential, .. } = found.ok_or(Fault::CredentialInvalid)?;
        Ok(Redeemed { credential, pass: () })
    }
}

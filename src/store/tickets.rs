//! Tickets as rows, on PostgreSQL, where a ticket that one server made is used at another. An embedded store has one
//! server, which keeps its tickets in memory.

use uuid::Uuid;

use super::{PostgresStore, Store, StoreError};
use crate::domain::{TenantId, Time};

/// A stored ticket. The secret itself is not stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TicketRecord {
    /// SHA-256 of the ticket.
    pub hash: [u8; 32],
    /// The tenant that it belongs to.
    pub tenant: TenantId,
    /// SHA-256 of the credential that it was made with.
    pub credential: [u8; 32],
    /// The integer id of the user whose desk it connects; `None` for a ticket of live queries.
    pub user: Option<i64>,
    /// The only session that it opens; any if `None`.
    pub session: Option<Box<str>>,
    /// Time from which it is invalid.
    pub expires: Time,
}

/// The tickets of a store that has rows for them. A clone is another handle to the same rows.
#[derive(Clone, Debug)]
pub struct TicketRows(PostgresStore);

impl Store {
    /// Returns the rows of tickets; `None` for an embedded store.
    pub fn ticket_rows(&self) -> Option<TicketRows> {
        match self {
            Store::Sqlite(_) => None,
            Store::Postgres(store) => Some(TicketRows(store.clone())),
        }
    }
}

impl TicketRows {
    /// Adds a ticket. Returns false if the tenant has `most` tickets of its kind, for desks or for live queries, that at
    /// `now` are neither used nor expired. Several calls at a time may each find the last place free.
    pub async fn create(&self, ticket: &TicketRecord, now: Time, most: usize) -> Result<bool, StoreError> {
        self.0.create_ticket(ticket, now, most).await
    }

    /// Marks a ticket as used by `used_by`, an id of this use, and returns it. `None` if it is unknown, was used otherwise,
    /// or has expired by `now`. A call with an unknown outcome can be repeated with the same id.
    pub async fn redeem(&self, hash: &[u8; 32], used_by: Uuid, now: Time) -> Result<Option<TicketRecord>, StoreError> {
        self.0.redeem_ticket(hash, used_by, now).await
    }

    /// Returns a ticket that is neither used nor expired at `now`, and leaves it so.
    pub async fn find(&self, hash: &[u8; 32], now: Time) -> Result<Option<TicketRecord>, StoreError> {
        self.0.find_ticket(hash, now).await
    }
}

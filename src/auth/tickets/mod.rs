//! Tickets: credentials with which a page in a browser connects a desk, or reads live queries, in place of the tenant's
//! key. Only their hashes are kept: in rows on PostgreSQL, so that every server on the database accepts them, and in memory
//! for an embedded store (docs/decisions/0098-tickets-are-rows.md).

pub mod live;
mod memory;

use std::fmt;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::secret::{self, Secret};
use super::{Authorized, EventsWrite};
use crate::clock::Clock;
use crate::domain::{Fault, TenantId, Time};
use crate::limits::throttle::network;
use crate::limits::{FairQueue, QueueLimits, TurnKey};
use crate::store::{Store, StoreError, TicketRecord, TicketRows, in_time};
use memory::Waiting;

/// Allowed validity of a ticket, in seconds.
pub const SECONDS: RangeInclusive<u32> = 1..=300;
/// Default validity of a ticket, in seconds.
pub const USUAL_SECONDS: u32 = 60;
/// Maximum number of unused tickets per tenant, of those for desks and of those for live queries each. More are rejected, so
/// that no tenant can fill the memory or the table.
pub const MAX_PER_TENANT: usize = 10_000;

/// Statements about tickets at a time. Tenants that make tickets and networks that use them take turns, so that neither
/// keeps the connections of the pool from the others.
const TURNS: QueueLimits = QueueLimits { permits: 2, permits_per_key: 2, waiting_per_key: 1_024, waiting: 8_192 };
/// The longest wait for a turn.
const TURN_TIMEOUT: Duration = Duration::from_millis(900);

/// The user, and possibly the session, that a ticket admits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pass {
    /// The user, by integer id: unlike an external id it cannot be moved to another user by a document.
    pub user: i64,
    /// The only session that may be opened; any if `None`.
    pub session: Option<Box<str>>,
}

/// A ticket that was used just now. `P` is what it admits besides the caller that it was made for.
#[derive(Clone, Debug)]
pub struct Redeemed<P = Pass> {
    /// The hash of the credential that it was made with, which is authenticated again.
    pub(super) credential: [u8; 32],
    /// What the ticket admits.
    pub pass: P,
}

impl<P> Redeemed<P> {
    /// The hash of the credential that the ticket was made with.
    pub fn credential(&self) -> &[u8; 32] {
        &self.credential
    }
}

/// The unused tickets. Clones share them.
#[derive(Clone)]
pub struct Tickets(Arc<Inner>);

struct Inner {
    clock: Clock,
    kept: Kept,
}

/// The place of the tickets.
enum Kept {
    InMemory(Mutex<Waiting>),
    AsRows(Box<TicketRows>, FairQueue),
}

impl fmt::Debug for Tickets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tickets")
    }
}

impl Tickets {
    /// Returns the tickets of a store; none if it keeps no rows of them.
    pub fn new(store: &Store, clock: &Clock) -> Self {
        let kept = match store.ticket_rows() {
            Some(rows) => Kept::AsRows(Box::new(rows), FairQueue::new(TURNS, clock)),
            None => Kept::InMemory(Mutex::default()),
        };
        Tickets(Arc::new(Inner { clock: clock.clone(), kept }))
    }

    /// Issues a ticket for one connection, valid for `seconds`. Returns it with the time of its expiry.
    ///
    /// [`Fault::TooMany`] if the tenant has [`MAX_PER_TENANT`] unused tickets, [`Fault::Unavailable`] if the store does
    /// not answer.
    pub async fn issue(
        &self,
        caller: &Authorized<EventsWrite>,
        pass: Pass,
        seconds: u32,
    ) -> Result<(Secret, Time), Fault> {
        let (secret, now, tenant) = (Secret::generate("dt"), self.0.clock.now(), caller.tenant());
        let expires = now.plus_seconds(seconds.into());
        let Pass { user, session } = pass;
        let (credential, user) = (caller.caller().credential, Some(user));
        self.keep(TicketRecord { hash: secret.hash(), tenant, credential, user, session, expires }, now).await?;
        Ok((secret, expires))
    }

    async fn keep(&self, ticket: TicketRecord, now: Time) -> Result<(), Fault> {
        let is_kept = match &self.0.kept {
            Kept::InMemory(waiting) => waiting.lock().add(ticket, now, MAX_PER_TENANT),
            Kept::AsRows(rows, turns) => {
                in_turn(turns, TurnKey::Tenant(ticket.tenant), rows.create(&ticket, now, MAX_PER_TENANT)).await?
            }
        };
        if is_kept { Ok(()) } else { Err(Fault::TooMany { seconds: 1 }) }
    }

    /// Uses a ticket, which is invalid afterwards, for a client at the address `from`.
    ///
    /// [`Fault::CredentialInvalid`] if it is unknown, used or expired; [`Fault::Unavailable`] if the store does not
    /// answer.
    pub async fn redeem(&self, ticket: &str, from: IpAddr) -> Result<Redeemed, Fault> {
        let hash = secret::hash_of_ticket(ticket).ok_or(Fault::CredentialInvalid)?;
        let TicketRecord { credential, user, session, .. } = self.take(&hash, from).await?;
        // The others have a form of their own, so that none is found by the hash of one of these.
        let user = user.ok_or(Fault::CredentialInvalid)?;
        Ok(Redeemed { credential, pass: Pass { user, session } })
    }

    /// Uses the ticket with this hash. [`Fault::CredentialInvalid`] if there is none that can be used.
    async fn take(&self, hash: &[u8; 32], from: IpAddr) -> Result<TicketRecord, Fault> {
        let now = self.0.clock.now();
        let found = match &self.0.kept {
            Kept::InMemory(waiting) => waiting.lock().redeem(hash, now),
            Kept::AsRows(rows, turns) => {
                let use_id = self.0.clock.new_id();
                let redeeming = async {
                    match rows.redeem(hash, use_id, now).await {
                        // The connection may have been lost after the ticket was used. The same use can be repeated.
                        Err(StoreError::Sql(_)) => rows.redeem(hash, use_id, now).await,
                        redeemed => redeemed,
                    }
                };
                in_turn(turns, TurnKey::Network(network(from)), redeeming).await?
            }
        };
        found.ok_or(Fault::CredentialInvalid)
    }

    /// Removes every ticket of a deleted tenant from memory. Rows are deleted with the tenant's others.
    pub fn remove_all(&self, tenant: TenantId) {
        if let Kept::InMemory(waiting) = &self.0.kept {
            waiting.lock().remove_all(tenant);
        }
    }
}

/// Runs a statement when it is the turn of `key`.
async fn in_turn<T>(
    turns: &FairQueue,
    key: TurnKey,
    statement: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, Fault> {
    let late = Err(Fault::Unavailable("too many tickets are waiting for the store"));
    let _turn = tokio::time::timeout(TURN_TIMEOUT, turns.enter(key)).await.unwrap_or(late)?;
    in_time(statement).await
}

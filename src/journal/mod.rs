//! The ordered log of every tenant: what is in it happened, in this order, and nothing else did.
//!
//! One narrow interface, one backend a file. A backend keeps these promises, which the conformance tests check:
//! positions are contiguous from 1 within a tenant and in the order of commit; a batch is there as a whole or not at
//! all; an event id is taken once within the dedupe window; what [`Journal::append`] answered is durable.

pub mod postgres;
pub mod sqlite;

use std::collections::HashMap;

use uuid::Uuid;

use crate::domain::{Entry, Event, TenantId, Time};

pub use postgres::PostgresJournal;
pub use sqlite::SqliteJournal;

/// An event on its way into the journal, with the JSON that is kept of it.
#[derive(Clone, Debug)]
pub struct Draft {
    /// The tenant.
    pub tenant: TenantId,
    /// The event.
    pub event: Event,
    /// [`Event::fact`] as JSON, made by the submitting task so that the engine need not.
    pub json: String,
}

impl Draft {
    /// Serialises what the journal keeps of `event`.
    pub fn new(tenant: TenantId, event: Event) -> Self {
        // Serialising our own plain types cannot fail.
        let json = serde_json::to_string(&event.fact).unwrap_or_default();
        Draft { tenant, event, json }
    }
}

/// Drafts that are appended in one transaction.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a> {
    /// A random id, kept with each row and in the heads, by which an append of unknown outcome is found again.
    pub id: Uuid,
    /// Service time; an entry is recorded at the later of this and its head's.
    pub recorded: Time,
    /// The drafts, in order.
    pub drafts: &'a [Draft],
}

/// What an append did with one draft.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placement {
    /// It is journalled at this position.
    Placed(u64),
    /// Its id was looked up and found: it was taken before.
    Duplicate,
    /// The tenant's head is locked by another session. Nothing of the tenant was taken; try again.
    Busy,
    /// The tenant has no head, so nothing of it can be journalled.
    Missing,
}

/// What an append did.
#[derive(Clone, Debug, Default)]
pub struct Appended {
    /// One placement per draft, in order.
    pub placements: Vec<Placement>,
    /// The head of each tenant as it was before, with the time at which this batch is recorded.
    pub heads: HashMap<TenantId, Head>,
}

/// Where a tenant's journal ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// The newest position; 0 for none.
    pub seq: u64,
    /// When that entry was recorded, in microseconds.
    pub recorded: i64,
    /// The batch that wrote it.
    pub tail: Option<Uuid>,
}

/// An entry as it is stored.
#[derive(Clone, Debug)]
pub struct Logged {
    /// The entry.
    pub entry: Entry,
    /// The batch it was appended with; unknown for entries of releases that kept none.
    pub batch: Option<Uuid>,
}

/// Why the journal failed.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The store is away, full, slow or broken. Whether an append took place is unknown until [`Journal::fence`].
    #[error("the journal's store failed: {0}")]
    Store(sqlx::Error),
    /// The store is there and refuses something in the batch. Nothing of the batch was taken.
    #[error("the journal's store refuses the content: {0}")]
    Content(sqlx::Error),
    /// No answer in time. As unknown as any other failure.
    #[error("the journal's store did not answer in time")]
    TimedOut,
    /// Another server has the store.
    #[error("another server is running on this store")]
    Taken,
    /// An entry that this release cannot apply.
    #[error("entry {seq} of tenant {tenant} was written by apply version {found}, and no checkpoint covers it")]
    Version {
        /// The tenant.
        tenant: TenantId,
        /// The entry's position.
        seq: u64,
        /// The rules it was written for.
        found: u32,
    },
    /// An entry that cannot be read.
    #[error("entry {seq} of tenant {tenant} cannot be read: {error}")]
    Unreadable {
        /// The tenant.
        tenant: TenantId,
        /// The entry's position.
        seq: u64,
        /// The parser's error.
        error: serde_json::Error,
    },
}

impl From<sqlx::Error> for JournalError {
    fn from(error: sqlx::Error) -> Self {
        if is_content(&error) { JournalError::Content(error) } else { JournalError::Store(error) }
    }
}

/// Whether the store refused what it was given, rather than failed: PostgreSQL's classes 22 (data), 23 (constraint) and
/// 54 (limits), SQLite's TOOBIG, CONSTRAINT and MISMATCH, whose extended codes keep the primary one in their low byte.
fn is_content(error: &sqlx::Error) -> bool {
    let sqlx::Error::Database(error) = error else { return false };
    let code = error.code().unwrap_or_default();
    match code.parse::<u32>() {
        Ok(sqlite) if code.len() < 5 => matches!(sqlite & 0xff, 18..=20),
        _ => code.starts_with("22") || code.starts_with("23") || code.starts_with("54"),
    }
}

/// The journal on one of its backends.
#[derive(Debug)]
pub enum Journal {
    /// A file.
    Sqlite(SqliteJournal),
    /// A server.
    Postgres(PostgresJournal),
}

impl Journal {
    /// Appends the batch durably and in order, in one transaction.
    ///
    /// [`JournalError::Content`]: nothing was taken. After any other error the outcome is unknown: call
    /// [`Journal::recover`] and [`Journal::fence`], and look for the batch's id beyond the state.
    pub async fn append(&mut self, batch: Batch<'_>) -> Result<Appended, JournalError> {
        match self {
            Journal::Sqlite(journal) => journal.append(batch).await,
            Journal::Postgres(journal) => journal.append(batch).await,
        }
    }

    /// Waits until no earlier append to these tenants can still be under way, so that what is read next is decided.
    pub async fn fence(&mut self, tenants: &[TenantId]) -> Result<(), JournalError> {
        match self {
            Journal::Sqlite(journal) => journal.fence().await,
            Journal::Postgres(journal) => journal.fence(tenants).await,
        }
    }

    /// Returns where every tenant's journal ends. An append of unknown outcome must be fenced before.
    pub async fn heads(&mut self) -> Result<HashMap<TenantId, Head>, JournalError> {
        match self {
            Journal::Sqlite(journal) => journal.heads().await,
            Journal::Postgres(journal) => journal.heads().await,
        }
    }

    /// Returns up to `limit` entries of one tenant that follow position `after`, in order.
    pub async fn read(&mut self, tenant: TenantId, after: u64, limit: u32) -> Result<Vec<Logged>, JournalError> {
        match self {
            Journal::Sqlite(journal) => journal.read(tenant, after, limit).await,
            Journal::Postgres(journal) => journal.read(tenant, after, limit).await,
        }
    }

    /// Confirms that the store answers and is still ours. Returns its clock, where it has one of its own.
    pub async fn confirm(&mut self) -> Result<Option<Time>, JournalError> {
        match self {
            Journal::Sqlite(journal) => journal.confirm().await,
            Journal::Postgres(journal) => journal.confirm().await,
        }
    }

    /// Starts anew after an error: a fresh connection, and sole ownership confirmed.
    pub async fn recover(&mut self) -> Result<(), JournalError> {
        match self {
            Journal::Sqlite(journal) => journal.recover().await,
            Journal::Postgres(journal) => journal.recover().await,
        }
    }
}

/// One stored entry, before it is read.
struct Stored {
    seq: i64,
    recorded: i64,
    source: String,
    event_id: String,
    apply_version: u32,
    batch: Option<Uuid>,
    event: String,
}

impl Stored {
    fn read(self, tenant: TenantId, apply_version: u32) -> Result<Logged, JournalError> {
        let seq = self.seq as u64;
        if self.apply_version != apply_version {
            return Err(JournalError::Version { tenant, seq, found: self.apply_version });
        }
        let fact =
            serde_json::from_str(&self.event).map_err(|error| JournalError::Unreadable { tenant, seq, error })?;
        let id = crate::domain::EventId { source: self.source.into(), id: self.event_id.into() };
        let entry = Entry { seq, recorded: Time::from_micros(self.recorded), event: Event { id, fact } };
        Ok(Logged { entry, batch: self.batch })
    }
}

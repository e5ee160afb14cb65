//! The ordered log of every tenant: what is in it happened, in this order, and nothing else did.
//!
//! One narrow interface, one backend a file. A backend keeps these promises, which the conformance tests check:
//! positions are contiguous from 1 within a tenant and in the order of commit; a batch is there as a whole or not at
//! all; an event id is taken once within the dedupe window; what [`Journal::append`] answered is durable.

pub mod postgres;
pub mod sqlite;

use std::collections::{HashMap, HashSet};

use uuid::Uuid;

use crate::domain::{Entry, Event, TenantId, Time};

pub use postgres::PostgresJournal;
pub use sqlite::SqliteJournal;

/// An event on its way into the journal, with the JSON that will be kept of it.
#[derive(Clone, Debug)]
pub struct Draft {
    /// Whose.
    pub tenant: TenantId,
    /// The event.
    pub event: Event,
    /// [`Event::fact`] as JSON; made by whoever submits, so that the one writer need not.
    pub json: String,
}

/// Where a tenant's journal ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// The newest position; 0 for none.
    pub seq: u64,
    /// When that entry was recorded, in microseconds.
    pub recorded: i64,
}

/// Why the journal did not answer.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The store is away, full, slow or broken. Whether an append took place is unknown until the heads are read.
    #[error("the journal's store failed: {0}")]
    Store(#[from] sqlx::Error),
    /// It did not answer in time. As unknown as any other failure.
    #[error("the journal's store did not answer in time")]
    TimedOut,
    /// Another server has the store.
    #[error("another server is running on this store")]
    Taken,
    /// An entry that this release cannot apply.
    #[error("entry {seq} of tenant {tenant} was written by apply version {found}, and no checkpoint covers it")]
    Version {
        /// Whose.
        tenant: TenantId,
        /// Which.
        seq: u64,
        /// The rules it was written for.
        found: u32,
    },
    /// An entry that cannot be read.
    #[error("entry {seq} of tenant {tenant} cannot be read: {error}")]
    Unreadable {
        /// Whose.
        tenant: TenantId,
        /// Which.
        seq: u64,
        /// Why.
        error: serde_json::Error,
    },
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
    /// Appends the batch durably, in order, in one transaction, recorded at `recorded`. Answers each draft's position,
    /// or `None` for one whose id was taken before. After an error it is unknown whether the batch is there: call
    /// [`Journal::recover`] and compare [`Journal::heads`].
    pub async fn append(&mut self, recorded: Time, batch: &[Draft]) -> Result<Vec<Option<u64>>, JournalError> {
        match self {
            Journal::Sqlite(journal) => journal.append(recorded, batch).await,
            Journal::Postgres(journal) => journal.append(recorded, batch).await,
        }
    }

    /// Those of these conversations that the archive has. Asked on the journal's own connection, since an append waits
    /// for the answer.
    pub async fn archived(
        &mut self,
        conversations: &[(TenantId, Uuid)],
    ) -> Result<HashSet<(TenantId, Uuid)>, JournalError> {
        match self {
            Journal::Sqlite(journal) => journal.archived(conversations).await,
            Journal::Postgres(journal) => journal.archived(conversations).await,
        }
    }

    /// Where every tenant's journal ends. Waits for an append whose outcome is unknown to be decided.
    pub async fn heads(&mut self) -> Result<HashMap<TenantId, Head>, JournalError> {
        match self {
            Journal::Sqlite(journal) => journal.heads().await,
            Journal::Postgres(journal) => journal.heads().await,
        }
    }

    /// Up to `limit` entries of one tenant that follow position `after`, in order.
    pub async fn read(&mut self, tenant: TenantId, after: u64, limit: u32) -> Result<Vec<Entry>, JournalError> {
        match self {
            Journal::Sqlite(journal) => journal.read(tenant, after, limit).await,
            Journal::Postgres(journal) => journal.read(tenant, after, limit).await,
        }
    }

    /// Makes sure that the store answers and is still ours.
    pub async fn confirm(&mut self) -> Result<(), JournalError> {
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
    event: String,
}

impl Stored {
    fn read(self, tenant: TenantId, apply_version: u32) -> Result<Entry, JournalError> {
        let seq = self.seq as u64;
        if self.apply_version != apply_version {
            return Err(JournalError::Version { tenant, seq, found: self.apply_version });
        }
        let fact =
            serde_json::from_str(&self.event).map_err(|error| JournalError::Unreadable { tenant, seq, error })?;
        let id = crate::domain::EventId { source: self.source.into(), id: self.event_id.into() };
        Ok(Entry { seq, recorded: Time::from_micros(self.recorded), event: Event { id, fact } })
    }
}

//! The ordered log of every tenant's events, from which all state is derived.
//!
//! One interface, and one module per backend. Every backend gives these guarantees, which the conformance tests check:
//! a tenant's positions are contiguous from 1 and in the order of commit; a batch is stored as a whole or not at all;
//! an event id is placed once within the dedupe window; the result of [`Journal::append`] is durable when it is
//! returned.

mod duties;
pub mod postgres;
pub mod sqlite;

use std::collections::HashMap;
use std::time::Duration;

use uuid::Uuid;

use crate::domain::{Entry, Event, TenantId, Time};

pub use duties::{Claim, Duty, Round};
pub use postgres::{PostgresJournal, Sessions, Signal, Signals};
pub use sqlite::SqliteJournal;

/// An event to be appended, and its stored JSON.
#[derive(Clone, Debug)]
pub struct Draft {
    /// The tenant of the journal.
    pub tenant: TenantId,
    /// The event to append.
    pub event: Event,
    /// [`Event::fact`] as JSON. Serialised by the submitting task, to keep that work off the engine's thread.
    pub json: String,
}

impl Draft {
    /// Makes a draft of `event` and serialises its fact.
    pub fn new(tenant: TenantId, event: Event) -> Self {
        // Serialising our own plain types cannot fail.
        let json = serde_json::to_string(&event.fact).unwrap_or_default();
        Draft { tenant, event, json }
    }
}

/// Drafts that are appended in one transaction.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a> {
    /// A unique id, stored with each entry and in the heads, to find out whether an append of unknown outcome took
    /// place.
    pub id: Uuid,
    /// Service time. Entries are recorded at the later of this and their tenant's newest recorded time.
    pub recorded: Time,
    /// Set where the store's own clock is to record the entries, in place of service time. The embedded store has none.
    pub store_clock: Option<ClockBounds>,
    /// The drafts, in order.
    pub drafts: &'a [Draft],
}

/// The times of the store's clock that a server believes. Nothing is appended at another one: the clock of the store or
/// of the server is wrong, and what it records stays in the journal for good.
#[derive(Clone, Copy, Debug)]
pub struct ClockBounds {
    /// The earliest time that is believed.
    pub earliest: Time,
    /// The latest time that is believed.
    pub latest: Time,
}

/// The result of an append for one draft.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placement {
    /// The event is journalled at this position.
    Placed(u64),
    /// The event's id was placed before, within the dedupe window or earlier in the batch, by an entry of this recorded
    /// time; [`Time::NEVER`] if that was deleted meanwhile.
    Duplicate(Time),
    /// The tenant's head is locked by another session. None of the tenant's drafts were appended; try again.
    Busy,
    /// The tenant has no head, so its events cannot be journalled, and was not deleted: the store has lost the head.
    Missing,
    /// The tenant was deleted.
    Deleted,
    /// The tenant's entries are of this other apply version: those of a release whose rules are not ours.
    OtherVersion(u32),
}

/// The result of an append.
#[derive(Clone, Debug, Default)]
pub struct Appended {
    /// One placement per draft, in order.
    pub placements: Vec<Placement>,
    /// The head of each tenant before the append, with the recorded time of this batch.
    pub heads: HashMap<TenantId, Head>,
}

/// The end of a tenant's journal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// The newest position; 0 for an empty journal.
    pub seq: u64,
    /// The recorded time of that entry, in microseconds since the epoch.
    pub recorded: i64,
    /// The batch that wrote it, if known.
    pub tail: Option<Uuid>,
    /// The apply version of the tenant's entries. Without entries it means nothing.
    pub apply_version: u32,
}

impl Head {
    /// Returns the apply version of the entries if it is not `ours`; `None` without entries, which are of any version.
    pub fn other_version(self, ours: u32) -> Option<u32> {
        Some(self.apply_version).filter(|version| self.seq > 0 && *version != ours)
    }
}

/// An entry as stored.
#[derive(Clone, Debug)]
pub struct Logged {
    /// The stored entry.
    pub entry: Entry,
    /// The batch of the entry; `None` for entries of releases that did not store it.
    pub batch: Option<Uuid>,
}

/// An error of the journal.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The store is unreachable, full, slow or broken. The outcome of an append is unknown until [`Journal::fence`].
    #[error("the journal's store failed: {0}")]
    Store(sqlx::Error),
    /// The store answered and rejected some content of the batch. Nothing of the batch was appended.
    #[error("the journal's store refuses the content: {0}")]
    Content(sqlx::Error),
    /// The store did not answer in time. The outcome is as unknown as for [`JournalError::Store`].
    #[error("the journal's store did not answer in time")]
    TimedOut,
    /// The store's clock, which shows this time, is not within the batch's [`ClockBounds`]. Nothing was appended.
    #[error("the store's clock shows {0}, which the server does not believe")]
    Clock(Time),
    /// Another server holds the store's lock.
    #[error("another server is running on this store")]
    Taken,
    /// The session that held the store's lock for this process has not ended yet, so that no other can take the lock.
    #[error("the lost session has not ended yet")]
    Lingering,
    /// An entry was written for other rules than this release applies.
    #[error("entry {seq} of tenant {tenant} was written by apply version {found}, and no checkpoint covers it")]
    Version {
        /// The tenant of the entry.
        tenant: TenantId,
        /// The entry's position.
        seq: u64,
        /// The entry's apply version.
        found: u32,
    },
    /// An entry's JSON cannot be parsed.
    #[error("entry {seq} of tenant {tenant} cannot be read: {error}")]
    Unreadable {
        /// The tenant of the entry.
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

/// Returns true if the store rejected the content of a statement, rather than failed: PostgreSQL's error classes 22
/// (data), 23 (constraint) and 54 (limits), SQLite's codes TOOBIG, CONSTRAINT and MISMATCH. Extended codes of SQLite
/// hold the primary code in their low byte; PostgreSQL's codes have five characters.
fn is_content(error: &sqlx::Error) -> bool {
    let sqlx::Error::Database(error) = error else { return false };
    let code = error.code().unwrap_or_default();
    match code.parse::<u32>() {
        Ok(sqlite) if code.len() < 5 => matches!(sqlite & 0xff, 18..=20),
        _ => code.starts_with("22") || code.starts_with("23") || code.starts_with("54"),
    }
}

/// The way in which a process holds the lock of a store on PostgreSQL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockMode {
    /// For itself alone: no server runs on the store. `rollcall verify` holds it so, and the only server of releases before
    /// decision 117.
    Exclusive,
    /// Together with other servers, as a server does.
    Shared,
}

/// The journal on one of its backends.
#[derive(Debug)]
pub enum Journal {
    /// In a SQLite file.
    Sqlite(SqliteJournal),
    /// On a PostgreSQL server.
    Postgres(PostgresJournal),
}

impl Journal {
    /// Appends the batch durably and in order, in one transaction.
    ///
    /// [`JournalError::Content`] if nothing was appended because of the content, [`JournalError::Clock`] if because of
    /// the store's clock. After any other error the outcome is unknown: call [`Journal::recover`] and [`Journal::fence`], then look for the batch's id in the entries beyond
    /// the state.
    pub async fn append(&mut self, batch: Batch<'_>) -> Result<Appended, JournalError> {
        match self {
            Journal::Sqlite(journal) => journal.append(batch).await,
            Journal::Postgres(journal) => journal.append(batch).await,
        }
    }

    /// Waits until no earlier append to these tenants can still commit, so that later reads see its outcome.
    pub async fn fence(&mut self, tenants: &[TenantId]) -> Result<(), JournalError> {
        match self {
            Journal::Sqlite(journal) => journal.fence().await,
            Journal::Postgres(journal) => journal.fence(tenants).await,
        }
    }

    /// Returns the head of every tenant. An append of unknown outcome must be fenced before.
    pub async fn heads(&mut self) -> Result<HashMap<TenantId, Head>, JournalError> {
        match self {
            Journal::Sqlite(journal) => journal.heads().await,
            Journal::Postgres(journal) => journal.heads().await,
        }
    }

    /// Makes these tenants' entries those of this journal's apply version from now on, as far as they are of an older one and
    /// the stored checkpoint is at their head: no entry of older rules is left to be applied then. Returns the tenants for
    /// which that was done. A head that another session has locked is left as it is.
    pub async fn raise(&mut self, tenants: &[TenantId]) -> Result<Vec<TenantId>, JournalError> {
        match self {
            Journal::Sqlite(journal) => journal.raise(tenants).await,
            Journal::Postgres(journal) => journal.raise(tenants).await,
        }
    }

    /// Returns up to `limit` entries of one tenant after position `after`, in order. On PostgreSQL fewer, but at least one
    /// if there is one, once they have more than 1 MiB.
    pub async fn read(&mut self, tenant: TenantId, after: u64, limit: u32) -> Result<Vec<Logged>, JournalError> {
        match self {
            Journal::Sqlite(journal) => journal.read(tenant, after, limit).await,
            Journal::Postgres(journal) => journal.read(tenant, after, limit).await,
        }
    }

    /// Confirms that the store answers and that this process still holds its lock. Returns the time of the store's own
    /// clock, if it has one.
    pub async fn confirm(&mut self) -> Result<Option<Time>, JournalError> {
        match self {
            Journal::Sqlite(journal) => journal.confirm().await,
            Journal::Postgres(journal) => journal.confirm().await,
        }
    }

    /// Commits a small write, which shows that the store accepts writes.
    pub async fn probe(&mut self) -> Result<(), JournalError> {
        match self {
            Journal::Sqlite(journal) => journal.probe().await,
            Journal::Postgres(journal) => journal.probe().await,
        }
    }

    /// Commits a small write as [`Journal::probe`] does, and renews and claims the duties of this server. That of an
    /// embedded store holds all of them.
    pub async fn round(&mut self, claim: &Claim) -> Result<Round, JournalError> {
        match self {
            Journal::Sqlite(journal) => journal.probe().await.map(|()| Round::alone()),
            Journal::Postgres(journal) => journal.round(claim).await,
        }
    }

    /// The interval at which a server probes the store: on PostgreSQL the network is between them, and the disk of an
    /// embedded store should be left alone.
    pub const fn probe_interval(&self) -> Duration {
        match self {
            Journal::Sqlite(_) => Duration::from_secs(1),
            Journal::Postgres(_) => Duration::from_millis(500),
        }
    }

    /// Notes in the store that this server ends in an orderly way, and gives its duties back. Returns true if no other server
    /// of this apply version is left, but for those that are `gone`: of several that end at a time the last one finds none.
    pub async fn end(&mut self, gone: &[Uuid]) -> Result<bool, JournalError> {
        match self {
            Journal::Sqlite(journal) => journal.end().await.map(|()| true),
            Journal::Postgres(journal) => journal.end(gone).await,
        }
    }

    /// Returns true if the store has a clock of its own, which can record batches.
    pub const fn has_clock(&self) -> bool {
        matches!(self, Journal::Postgres(_))
    }

    /// The id of this server in the store, made at its start.
    pub const fn replica(&self) -> Uuid {
        match self {
            Journal::Sqlite(journal) => journal.replica,
            Journal::Postgres(journal) => journal.replica,
        }
    }

    /// The version of the rules by which this process applies entries.
    pub const fn apply_version(&self) -> u32 {
        match self {
            Journal::Sqlite(journal) => journal.apply_version,
            Journal::Postgres(journal) => journal.apply_version,
        }
    }

    /// Returns a handle without the lock, on a session of its own, by which the server follows the entries that others
    /// append, and the notifications that servers send each other. `None` for an embedded store, which has one server.
    pub fn follower(&self) -> Option<(Journal, Signals)> {
        match self {
            Journal::Sqlite(_) => None,
            Journal::Postgres(journal) => {
                let (journal, signals) = journal.follower();
                Some((Journal::Postgres(journal), signals))
            }
        }
    }

    /// Returns a handle without the lock, on a session of its own that is not connected yet, by which one tenant is appended at
    /// a time. An append waits for the head up to a second, after which it is [`Placement::Busy`]. `None` for an embedded
    /// store, whose heads nothing else locks.
    pub fn alone(&self) -> Option<Journal> {
        match self {
            Journal::Sqlite(_) => None,
            Journal::Postgres(journal) => Some(Journal::Postgres(journal.alone())),
        }
    }

    /// Returns the heads of these tenants, without those that have none.
    pub async fn heads_of(&mut self, tenants: &[TenantId]) -> Result<HashMap<TenantId, Head>, JournalError> {
        match self {
            Journal::Sqlite(journal) => {
                let mut heads = journal.heads().await?;
                heads.retain(|tenant, _| tenants.contains(tenant));
                Ok(heads)
            }
            Journal::Postgres(journal) => journal.heads_of(tenants).await,
        }
    }

    /// Returns which of the tenants without a head were deleted. The store has lost the heads of the others.
    pub async fn deleted(&mut self, tenants: &[TenantId]) -> Result<Vec<TenantId>, JournalError> {
        match self {
            // An embedded store has one server, which deletes tenants itself.
            Journal::Sqlite(_) => Ok(Vec::new()),
            Journal::Postgres(journal) => journal.deleted(tenants).await,
        }
    }

    /// Returns true unless the lock was given up with its session, or the session is known to have ended. A file's lock
    /// lasts as long as the process.
    pub const fn is_locked(&self) -> bool {
        match self {
            Journal::Sqlite(_) => true,
            Journal::Postgres(journal) => journal.is_locked(),
        }
    }

    /// Takes the store's lock again after an error, on a new connection unless the old one works.
    ///
    /// [`JournalError::Taken`] if another server has the lock, [`JournalError::Lingering`] if our own lost session has
    /// it still.
    pub async fn recover(&mut self) -> Result<(), JournalError> {
        match self {
            Journal::Sqlite(journal) => journal.recover().await,
            Journal::Postgres(journal) => journal.recover().await,
        }
    }
}

/// The columns of a stored entry.
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
    /// Parses the entry. [`JournalError::Version`] if it is not of `apply_version`, [`JournalError::Unreadable`] if its
    /// JSON cannot be parsed.
    fn read(self, tenant: TenantId, apply_version: u32) -> Result<Logged, JournalError> {
        // Positions begin at 1, so that the casts between i64 and u64 lose nothing.
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

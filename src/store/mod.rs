//! Persistent data besides the journal: checkpoints, the archive, tenants, keys and tokens. One interface, and one
//! folder per backend.

pub mod archive;
pub mod checkpoint;
mod deletion;
pub mod heartbeats;
pub mod housekeeping;
pub mod links;
pub mod load;
pub mod lock;
mod migrations;
pub mod postgres;
pub mod private;
pub mod registry;
pub mod sqlite;
pub mod tenant_reads;
pub mod tickets;
pub mod tokens;
mod unfinished;

use std::fmt;
use std::future::Future;
use std::path::PathBuf;
use std::time::Duration;

use sqlx::migrate::MigrateError;
use sqlx::postgres::PgConnectOptions;
use uuid::Uuid;

use crate::domain::{Fault, TenantId};

pub use archive::{ArchiveFilter, ArchivePage, Tags};
pub use checkpoint::{CheckpointId, CheckpointWriter, StoredCheckpoint};
pub use heartbeats::{Heard, Incarnation, Reading, Signs};
pub use housekeeping::{Chore, Expiry};
pub use links::{LinkOf, LinkRecord};
pub use load::{CheckpointMark, CheckpointReader, CheckpointReading, Page, PageRow, Part};
pub use lock::ServerLock;
pub use postgres::{HeartbeatTable, LogInTable, Mark, PostgresStore};
pub use registry::{KeyRecord, RegistryChanges, RegistryVersion, TenantRecord};
pub use sqlite::SqliteStore;
pub use tenant_reads::{ArchivePart, ArchiveSearch, TenantReads};
pub use tickets::{TicketRecord, TicketRows};
pub use tokens::{Ending, LogInPage, TokenHolder, TokenRecord};
pub use unfinished::UnfinishedStore;

/// The longest wait of a caller for the store: one second, less 100 ms for the response, as for events.
const STORE_TIMEOUT: Duration = Duration::from_millis(900);

/// The fault of a caller that the store did not answer in time.
const LATE: Fault = Fault::Unavailable("the store did not answer in time");

/// The connections of each pool: one for requests in general, which has more on PostgreSQL, and one for the archive.
const POOL_CONNECTIONS: u32 = 4;

/// Awaits an operation of the store for a caller, for at most 900 ms.
///
/// [`Fault::Unavailable`] if it fails or takes longer. Errors are logged; callers do not see their details.
pub async fn in_time<T>(operation: impl Future<Output = Result<T, StoreError>>) -> Result<T, Fault> {
    within(STORE_TIMEOUT, operation).await
}

/// Works as [`in_time`] with another time limit.
async fn within<T>(limit: Duration, operation: impl Future<Output = Result<T, StoreError>>) -> Result<T, Fault> {
    match tokio::time::timeout(limit, operation).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => {
            tracing::warn!(%error, "the store failed");
            Err(Fault::Unavailable("the store is unavailable"))
        }
        Err(_) => Err(LATE),
    }
}

/// The place of the journal and the store.
#[derive(Clone, Debug)]
pub enum Location {
    /// A SQLite file in this folder.
    Folder(PathBuf),
    /// A database of a PostgreSQL server, 14 or newer.
    Postgres(Box<PgConnectOptions>),
}

impl Location {
    /// Looks into a folder without changing anything, and returns the error of what cannot be opened for the purpose: before
    /// its lock is taken, which makes a file. A database is looked into when it is locked or opened.
    pub async fn inspect(&self, purpose: Purpose) -> Result<(), StoreError> {
        match self {
            Location::Folder(folder) => sqlite::inspect(folder, purpose).await.map(drop),
            Location::Postgres(_) => Ok(()),
        }
    }
}

/// The folder, or `database NAME at HOST:PORT`. There is no password in it.
impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Location::Folder(folder) => write!(f, "{}", folder.display()),
            Location::Postgres(options) => {
                // The server's own default is the database with the user's name.
                let database = options.get_database().unwrap_or(options.get_username());
                match options.get_socket() {
                    Some(socket) => write!(f, "database {database} at {}", socket.display()),
                    None => write!(f, "database {database} at {}:{}", options.get_host(), options.get_port()),
                }
            }
        }
    }
}

/// What a store is opened for. Of whatever purpose, the database of another program is [`StoreError::NotOurs`], and the
/// tables of a newer release are [`StoreError::Foreign`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Nothing is changed: neither data nor tables, nor the permissions of files. Tables of an older release are
    /// [`StoreError::Older`], and a store that is not there is [`StoreError::Missing`].
    Read,
    /// Tables of an older release are brought up to date. A store that is not there is [`StoreError::Missing`].
    Write,
    /// Works as [`Purpose::Write`], but makes a store that is not there.
    Make,
}

/// An error of the store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// There is no store, and the caller makes none. The text names the commands that do.
    #[error("there is no store; {0}")]
    Missing(&'static str),
    /// The store is unreachable, full, slow or broken, or rejected a statement.
    #[error("the store failed: {0}")]
    Sql(#[from] sqlx::Error),
    /// The store did not answer in time.
    #[error("the store did not answer in time")]
    TimedOut,
    /// A migration of the tables failed.
    #[error("the store's tables could not be brought up to date: {0}")]
    Migrate(#[from] MigrateError),
    /// The store's folder cannot be created.
    #[error("the folder {0} cannot be made: {1}")]
    Folder(PathBuf, std::io::Error),
    /// A file of the store cannot be made.
    #[error("the file {0} cannot be made: {1}")]
    File(PathBuf, std::io::Error),
    /// The store's lock file cannot be opened or locked.
    #[error("the lock file {0} cannot be used: {1}")]
    Lock(PathBuf, std::io::Error),
    /// The PostgreSQL database does not meet the service's requirements.
    #[error("this PostgreSQL database cannot be used: {0}")]
    Unsuitable(String),
    /// The tables are older than this program, and a running server uses them.
    #[error(
        "the store's tables are older than this program, and another server is running on them: stop it, then try again"
    )]
    Outdated,
    /// The tables are older than this program, and are not to be changed.
    #[error(
        "the store's tables (schema version {found}) are older than this program (rollcall {}, schema version {ours}): \
         rollcall migrate upgrades them, or use the release that made them; nothing was changed",
        env!("CARGO_PKG_VERSION")
    )]
    Older {
        /// The newest migration that was applied.
        found: i64,
        /// The newest migration of this program.
        ours: i64,
    },
    /// The database has tables, and is no store. The text names its kind, and the tables.
    #[error("{0}; rollcall keeps a store apart from what other programs have, and nothing was changed")]
    NotOurs(String),
    /// The store's file cannot be opened by this user.
    #[error("the file {0} cannot be opened: {1}")]
    Access(PathBuf, std::io::Error),
    /// A file cannot be written any further: it, and the reason.
    #[error("the file {0} cannot be written: {1}")]
    NoRoom(PathBuf, String),
    /// A restore into the folder was killed.
    #[error("{0} is left of a restore that did not end: delete it, and restore again")]
    Unfinished(PathBuf),
    /// A file with a write-ahead log beside it is not the whole store.
    #[error("{0} is beside the file, which is a store's own and no copy of it: rollcall backup makes one")]
    BesideLog(PathBuf),
    /// A file is not a store, or is damaged.
    #[error("this is no whole store: {0}")]
    NoStore(String),
    /// The tables are of a newer release, or were changed.
    #[error("the store's tables are not of this release: {0}; run the release that made them, or restore a backup")]
    Foreign(String),
    /// A checkpoint was made by other rules than the tenant's entries are of.
    #[error("the tenant's entries are not of apply version {0}, which made the checkpoint")]
    OtherVersion(u32),
    /// The journal does not have the entry that a checkpoint ends with: it lost history, and this server has not noticed.
    #[error("the journal does not have the entry at {0} with which the checkpoint ends")]
    OtherHistory(u64),
    /// A checkpoint leaves out rows that the stored one, which is older than expected, does not have either.
    #[error("the stored checkpoint is older than the one that this one follows")]
    OlderCheckpoint,
    /// The tenant does not exist, or was deleted.
    #[error("the tenant {0} does not exist")]
    NoTenant(TenantId),
    /// The row of this server is missing in the store: another server has removed it, and has the store by now.
    #[error("this server's row in the store was removed")]
    Removed,
    /// The store holds data that this program does not write.
    #[error("the store holds something unreadable: {0}")]
    Unreadable(String),
}

impl StoreError {
    /// Returns true if the setting that names the store has to be changed, or what it names be prepared: trying again
    /// does not help.
    pub fn is_setting(&self) -> bool {
        match self {
            StoreError::Missing(_)
            | StoreError::Unfinished(_)
            | StoreError::BesideLog(_)
            | StoreError::Folder(..)
            | StoreError::File(..)
            | StoreError::Lock(..)
            | StoreError::Unsuitable(_)
            | StoreError::Older { .. }
            | StoreError::NotOurs(_)
            | StoreError::Access(..)
            | StoreError::NoStore(_)
            | StoreError::Foreign(_) => true,
            // PostgreSQL's classes of rejected log-ins and of databases that do not exist, and its code of missing rights.
            StoreError::Sql(sqlx::Error::Database(error))
            | StoreError::Migrate(MigrateError::Execute(sqlx::Error::Database(error)))
            | StoreError::Migrate(MigrateError::ExecuteMigration(sqlx::Error::Database(error), _)) => {
                error.code().is_some_and(|code| code.starts_with("28") || code.starts_with("3D") || code == "42501")
            }
            _ => false,
        }
    }
}

/// The store on one of its backends. A clone is another handle to the same store.
#[derive(Clone, Debug)]
pub enum Store {
    /// In a SQLite file.
    Sqlite(SqliteStore),
    /// On a PostgreSQL server.
    Postgres(PostgresStore),
}

/// Forwards a call to the backend; both have the same methods.
macro_rules! on_backend {
    ($store:expr, $backend:ident => $call:expr) => {
        match $store {
            Store::Sqlite($backend) => $call,
            Store::Postgres($backend) => $call,
        }
    };
}
pub(crate) use on_backend;

/// The longest time that closing the store may take: the data are durable without it.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);
/// The longest time for rewriting an embedded store's file after a deletion. If it takes longer, the next stop tries
/// again.
const REWRITE_TIMEOUT: Duration = Duration::from_secs(10);

impl Store {
    /// Closes the store at the end of a command. An embedded one that no other process uses is then in its one file.
    pub async fn disconnect(&self) {
        if let Store::Sqlite(store) = self {
            // What fails here leaves the data in the write-ahead log, where they are as durable.
            let _closed = tokio::time::timeout(CLOSE_TIMEOUT, store.disconnect()).await;
        }
    }

    /// Closes the store at the end of a server. An embedded one is moved from its write-ahead log into its one file, so
    /// that a copy of that file is complete. After the deletion of a tenant the file is rewritten without its remains.
    pub async fn close(&self) {
        let Store::Sqlite(store) = self else { return };
        match tokio::time::timeout(REWRITE_TIMEOUT, store.rewrite()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "the store's file was not rewritten after a deletion"),
            Err(_) => tracing::warn!("the store's file was not rewritten after a deletion in time"),
        }
        match tokio::time::timeout(CLOSE_TIMEOUT, store.close()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "the write-ahead log was not moved into the store's file"),
            Err(_) => tracing::warn!("the write-ahead log was not moved into the store's file in time"),
        }
    }

    /// Returns the sizes of the embedded store's files in bytes: the database, and its write-ahead log. PostgreSQL has
    /// metrics of its own.
    pub fn file_sizes(&self) -> Vec<(&'static str, u64)> {
        match self {
            Store::Sqlite(store) => store.file_sizes().into(),
            Store::Postgres(_) => Vec::new(),
        }
    }

    /// Opens the store without the server's lock, beside a server that may be running. Makes it if it is not there, migrates
    /// outdated tables, and returns true if the store was created just now.
    ///
    /// [`StoreError::Outdated`] if the tables are outdated and a server is running on them.
    pub async fn open(location: &Location) -> Result<(Self, bool), StoreError> {
        Self::open_as(location, false, Purpose::Make).await
    }

    /// Opens the store as [`Store::open`] does, for this purpose.
    pub async fn open_for(location: &Location, purpose: Purpose) -> Result<Self, StoreError> {
        Ok(Self::open_as(location, false, purpose).await?.0)
    }

    /// Opens the store for a process that holds the server's lock, which was taken in the mode that a migration needs. Works
    /// as [`Store::open`] otherwise.
    pub async fn open_locked(location: &Location, _held: &ServerLock, purpose: Purpose) -> Result<Self, StoreError> {
        Ok(Self::open_as(location, true, purpose).await?.0)
    }

    async fn open_as(location: &Location, is_locked: bool, purpose: Purpose) -> Result<(Self, bool), StoreError> {
        Ok(match location {
            Location::Folder(folder) => {
                let (store, is_new) = SqliteStore::open(folder, is_locked, purpose).await?;
                (Store::Sqlite(store), is_new)
            }
            Location::Postgres(options) => {
                let (store, is_new) = PostgresStore::open(options, is_locked, purpose).await?;
                (Store::Postgres(store), is_new)
            }
        })
    }

    /// Returns the table of heartbeats for the server `replica`; `None` for an embedded store, which has none.
    pub fn heartbeats(&self, replica: Uuid) -> Option<HeartbeatTable> {
        match self {
            Store::Sqlite(_) => None,
            Store::Postgres(store) => Some(HeartbeatTable::new(store.sessions().clone(), replica)),
        }
    }
}

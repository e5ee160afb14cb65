//! What is kept beside the journal: checkpoints, tenants, keys and tokens. One narrow interface, one folder a backend.

pub mod archive;
pub mod checkpoint;
pub mod housekeeping;
pub mod load;
pub mod lock;
pub mod postgres;
pub mod registry;
pub mod sqlite;
pub mod tokens;

use std::future::Future;
use std::path::PathBuf;
use std::time::Duration;

use sqlx::postgres::PgConnectOptions;

use crate::domain::Fault;
use crate::journal::{Journal, JournalError, PostgresJournal, SqliteJournal};

pub use archive::ArchivePage;
pub use checkpoint::{CheckpointWriter, Loaded, Mark};
pub use housekeeping::{Chore, Expiry};
pub use load::CheckpointReader;
pub use lock::ServerLock;
pub use postgres::PostgresStore;
pub use registry::{KeyRecord, RegistryChanges, RegistryVersion, TenantRecord};
pub use sqlite::SqliteStore;
pub use tokens::{TokenHolder, TokenRecord};

/// How long a caller waits for the store to take or to show a tenant, a key or a token, as with events.
const PATIENCE: Duration = Duration::from_millis(900);

/// What the store answers a caller, in time or not at all. A store that fails is away, as far as the caller is concerned;
/// the log has the details.
pub async fn in_time<T>(asking: impl Future<Output = Result<T, StoreError>>) -> Result<T, Fault> {
    match tokio::time::timeout(PATIENCE, asking).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => {
            tracing::warn!(%error, "the store failed");
            Err(Fault::Unavailable("the store is away"))
        }
        Err(_) => Err(Fault::Unavailable("the store did not answer in time")),
    }
}

/// Where everything is kept.
#[derive(Clone, Debug)]
pub enum Location {
    /// In a file below this folder.
    Folder(PathBuf),
    /// On a PostgreSQL server, 14 or newer.
    Postgres(Box<PgConnectOptions>),
}

/// Why the store did not answer.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It is away, full, slow or broken.
    #[error("the store failed: {0}")]
    Sql(#[from] sqlx::Error),
    /// It did not answer in time.
    #[error("the store did not answer in time")]
    TimedOut,
    /// Its tables could not be brought up to date.
    #[error("the store's tables could not be brought up to date: {0}")]
    Migrate(#[from] sqlx::migrate::MigrateError),
    /// Its folder cannot be made.
    #[error("the folder {0} cannot be made: {1}")]
    Folder(PathBuf, std::io::Error),
    /// Its lock file cannot be used.
    #[error("the lock file {0} cannot be used: {1}")]
    Lock(PathBuf, std::io::Error),
    /// The server is not one that this program can work on.
    #[error("this PostgreSQL database cannot be used: {0}")]
    Unsuitable(String),
    /// Its tables are older than this program, and a server uses them.
    #[error(
        "the store's tables are older than this program, and another server is running on them: stop it, then try again"
    )]
    Outdated,
    /// Something in it is not what this program writes.
    #[error("the store holds something unreadable: {0}")]
    Unreadable(String),
}

/// The store on one of its backends. A clone is another handle to the same store.
#[derive(Clone, Debug)]
pub enum Store {
    /// A file.
    Sqlite(SqliteStore),
    /// A server.
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

impl Store {
    /// Opens the store beside whatever else uses it, bringing its tables up to date if no server is running on older
    /// ones. Tells whether it was made just now.
    pub async fn open(location: &Location) -> Result<(Self, bool), StoreError> {
        Self::open_as(location, false).await
    }

    /// Opens the store for the server that has its lock.
    pub async fn open_locked(location: &Location, _lock: &ServerLock) -> Result<(Self, bool), StoreError> {
        Self::open_as(location, true).await
    }

    async fn open_as(location: &Location, is_locked: bool) -> Result<(Self, bool), StoreError> {
        Ok(match location {
            Location::Folder(folder) => {
                let (store, is_new) = SqliteStore::open(folder, is_locked).await?;
                (Store::Sqlite(store), is_new)
            }
            Location::Postgres(options) => {
                let (store, is_new) = PostgresStore::open(options, is_locked).await?;
                (Store::Postgres(store), is_new)
            }
        })
    }

    /// The journal of the same store, for one that has no lock yet. `apply_version` names the rules it applies.
    pub async fn journal(&self, apply_version: u32) -> Result<Journal, JournalError> {
        Ok(match self {
            Store::Sqlite(store) => Journal::Sqlite(SqliteJournal::new(store.writer().clone(), apply_version)),
            Store::Postgres(store) => {
                Journal::Postgres(PostgresJournal::open(store.options().clone(), apply_version).await?)
            }
        })
    }
}

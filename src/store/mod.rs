//! What is kept beside the journal: checkpoints, tenants, keys and tokens. One narrow interface, one folder a backend.

pub mod archive;
pub mod postgres;
pub mod registry;
pub mod sqlite;
pub mod tokens;

use std::future::Future;
use std::path::PathBuf;
use std::time::Duration;

use sqlx::postgres::PgConnectOptions;

use crate::domain::{Fault, TenantId, Time};
use crate::journal::{Journal, JournalError, PostgresJournal, SqliteJournal};
use crate::live::{Checkpoint, Row};

pub use archive::ArchivePage;
pub use postgres::PostgresStore;
pub use registry::{KeyRecord, TenantRecord};
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
    /// Its tables could not be brought up to date.
    #[error("the store's tables could not be brought up to date: {0}")]
    Migrate(#[from] sqlx::migrate::MigrateError),
    /// Its folder cannot be made.
    #[error("the folder {0} cannot be made: {1}")]
    Folder(PathBuf, std::io::Error),
    /// Something in it is not what this program writes.
    #[error("the store holds something unreadable: {0}")]
    Unreadable(String),
}

/// A stored checkpoint.
#[derive(Debug)]
pub struct Loaded {
    /// The position that the rows describe.
    pub position: u64,
    /// The complete state.
    pub rows: Vec<Row>,
}

/// What may be forgotten: everything of before these times.
#[derive(Clone, Copy, Debug)]
pub struct Expiry {
    /// Event ids, once repeats are no longer looked for.
    pub seen: Time,
    /// Journal entries, once a checkpoint covers them.
    pub journal: Time,
    /// Tokens, once they ran out.
    pub tokens: Time,
    /// Closed conversations, once as many days have passed by then as their tenant keeps them.
    pub conversations: Time,
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
    /// Opens the store, bringing its tables up to date. Tells whether it was made just now.
    pub async fn open(location: &Location) -> Result<(Self, bool), StoreError> {
        Ok(match location {
            Location::Folder(folder) => {
                let (store, is_new) = SqliteStore::open(folder).await?;
                (Store::Sqlite(store), is_new)
            }
            Location::Postgres(options) => {
                let (store, is_new) = PostgresStore::open(options).await?;
                (Store::Postgres(store), is_new)
            }
        })
    }

    /// The journal of the same store, for the one engine. `apply_version` names the rules it applies.
    pub async fn journal(&self, apply_version: u32) -> Result<Journal, JournalError> {
        Ok(match self {
            Store::Sqlite(store) => Journal::Sqlite(SqliteJournal::new(store.writer().clone(), apply_version)),
            Store::Postgres(store) => {
                Journal::Postgres(PostgresJournal::open(store.options().clone(), apply_version).await?)
            }
        })
    }

    /// The newest checkpoint of a tenant.
    pub async fn load_checkpoint(&self, tenant: TenantId) -> Result<Option<Loaded>, StoreError> {
        on_backend!(self, store => store.load_checkpoint(tenant).await)
    }

    /// Writes a checkpoint in one transaction. One for an older position than is stored changes nothing.
    pub async fn write_checkpoint(
        &self,
        tenant: TenantId,
        apply_version: u32,
        checkpoint: &Checkpoint,
    ) -> Result<(), StoreError> {
        on_backend!(self, store => store.write_checkpoint(tenant, apply_version, checkpoint).await)
    }

    /// Forgets a bounded number of old rows; tells how many, 0 once there is nothing left to forget.
    pub async fn forget(&self, expiry: Expiry) -> Result<u64, StoreError> {
        on_backend!(self, store => store.forget(expiry).await)
    }
}

//! The store in a SQLite file. Whatever writes does so through the journal's connection.

mod archive;
mod checkpoint;
mod housekeeping;
mod load;
mod registry;
mod tokens;

use std::fs::{File, TryLockError};
use std::path::Path;
use std::time::Duration;

use sqlx::migrate::Migrator;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use uuid::Uuid;

use super::{StoreError, lock};
use crate::journal::sqlite::{Held, Writer};

pub use checkpoint::CheckpointWriter;
pub use load::CheckpointReader;

static MIGRATIONS: Migrator = sqlx::migrate!("migrations/sqlite");

/// The file's name within its folder.
pub const FILE: &str = "rollcall.db";
/// Held while the tables are brought up to date.
const TURN: &str = "migrate.lock";

/// The store in a file.
#[derive(Clone, Debug)]
pub struct SqliteStore {
    writer: Writer,
    reads: SqlitePool,
    /// Apart from the others, so that a long page keeps nobody from a key.
    archive: SqlitePool,
}

impl SqliteStore {
    /// Opens the store. Its tables are brought up to date under the server's lock, which a server that starts has already.
    pub(super) async fn open(folder: &Path, is_locked: bool) -> Result<(Self, bool), StoreError> {
        std::fs::create_dir_all(folder).map_err(|error| StoreError::Folder(folder.to_owned(), error))?;
        let file = folder.join(FILE);
        let is_new = !file.exists();
        let options = SqliteConnectOptions::new()
            .filename(&file)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(Duration::from_secs(5))
            .pragma("journal_size_limit", "67108864");
        let writer = Writer::new(options.clone());
        // Before anything is opened: making a new file keep a write-ahead log waits for nobody.
        let turn = take_turn(folder).await.map_err(|error| StoreError::Folder(folder.to_owned(), error))?;
        let mut held = writer.hold().await?;
        if is_outdated(&mut held).await? {
            // A new file has no server yet.
            let _lock =
                if is_locked || is_new { None } else { Some(lock::try_folder(folder)?.ok_or(StoreError::Outdated)?) };
            MIGRATIONS.run(&mut *held).await?;
        }
        drop(turn);
        held.give_back();
        let options = options.read_only(true).create_if_missing(false);
        let (reads, archive) = (pool(options.clone()), pool(options));
        Ok((SqliteStore { writer, reads, archive }, is_new))
    }

    /// The one connection that writes.
    pub fn writer(&self) -> &Writer {
        &self.writer
    }

    /// The connections that read.
    pub fn reads(&self) -> &SqlitePool {
        &self.reads
    }

    async fn hold(&self) -> Result<Held, sqlx::Error> {
        self.writer.hold().await
    }
}

/// Two connections for reading.
fn pool(options: SqliteConnectOptions) -> SqlitePool {
    SqlitePoolOptions::new()
        .max_connections(2)
        .before_acquire(|connection, _| {
            Box::pin(async move {
                // BEGIN fails inside a transaction: such a connection was poisoned and is dropped.
                Ok(sqlx::raw_sql("BEGIN; COMMIT").execute(connection).await.is_ok())
            })
        })
        .connect_lazy_with(options)
}

/// A command may open the store while a server does, and SQLite's migrations have no lock of their own.
async fn take_turn(folder: &Path) -> Result<File, std::io::Error> {
    let file = File::create(folder.join(TURN))?;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) => tokio::time::sleep(Duration::from_millis(10)).await,
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
}

/// Whether the tables are older than this program.
async fn is_outdated(connection: &mut SqliteConnection) -> Result<bool, StoreError> {
    let tables: i64 = sqlx::query_scalar("SELECT count(*) FROM sqlite_master WHERE name = '_sqlx_migrations'")
        .fetch_one(&mut *connection)
        .await?;
    if tables == 0 {
        return Ok(true);
    }
    let applied: Vec<i64> =
        sqlx::query_scalar("SELECT version FROM _sqlx_migrations WHERE success").fetch_all(connection).await?;
    Ok(MIGRATIONS.iter().any(|migration| !applied.contains(&migration.version)))
}

fn uuid(text: &str) -> Result<Uuid, StoreError> {
    Uuid::try_parse(text).map_err(|_| StoreError::Unreadable(format!("{text} is no id")))
}

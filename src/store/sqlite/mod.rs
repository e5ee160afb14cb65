//! The store in a SQLite file. All writes go through one connection, which the journal uses as well.

mod archive;
pub(super) mod backup;
mod checkpoint;
mod deletion;
mod housekeeping;
mod load;
mod registry;
mod tokens;

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use uuid::Uuid;

use super::migrations::{self, Applied};
use super::{IfMissing, POOL_CONNECTIONS, StoreError, lock, private};
use crate::journal::sqlite::{Writer, WriterGuard};

pub use checkpoint::CheckpointWriter;
pub use load::CheckpointReader;

/// The database file's name within its folder.
pub const DATABASE_FILE: &str = "rollcall.db";
/// The name of the database's write-ahead log, as SQLite derives it.
const LOG_FILE: &str = "rollcall.db-wal";
/// The name of the index of the write-ahead log, as SQLite derives it.
const INDEX_FILE: &str = "rollcall.db-shm";
/// The name of the file that is locked during migrations.
const MIGRATION_LOCK: &str = "migrate.lock";

/// The store in a SQLite file.
#[derive(Clone, Debug)]
pub struct SqliteStore {
    writer: Writer,
    reads: SqlitePool,
    /// A pool of its own, so that slow pages of the archive do not occupy the connections of other requests.
    archive: SqlitePool,
}

impl SqliteStore {
    /// Opens the store. Outdated tables are migrated under the server's lock, which is taken for that time unless the
    /// caller holds it (`is_locked`) or the file is new. Returns true if the file was created just now.
    pub(super) async fn open(
        folder: &Path,
        is_locked: bool,
        if_missing: IfMissing,
    ) -> Result<(Self, bool), StoreError> {
        require(folder, if_missing)?;
        refuse_unfinished(folder)?;
        private::make_folder(folder).map_err(|error| StoreError::Folder(folder.to_owned(), error))?;
        let file = folder.join(DATABASE_FILE);
        // An empty file was left by a start that was killed.
        let is_new = bytes(folder, DATABASE_FILE) == 0;
        refuse_empty_beside_log(folder)?;
        make_private(folder)?;
        let options = SqliteConnectOptions::new()
            .filename(&file)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            // With a write-ahead log, only this level has a commit on the disk before it returns.
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            // Deleted content is overwritten with zeros, on pages that become free as well: what a deleted tenant had is
            // not left in the file (docs/decisions/0078-deleting-tenants.md has the cost).
            .pragma("secure_delete", "ON")
            // Commands of other processes, such as `rollcall tenant`, write to the same file.
            .busy_timeout(Duration::from_secs(5))
            // 64 MiB, to which SQLite truncates a write-ahead log that a burst made larger.
            .pragma("journal_size_limit", "67108864");
        let writer = Writer::new(options.clone());
        // Before the file is opened: switching a new file to WAL fails at once, rather than waits, if another process
        // has it locked.
        let turn = take_turn(folder).await.map_err(|error| StoreError::Folder(folder.to_owned(), error))?;
        let mut connection = writer.acquire().await?;
        if is_outdated(&mut connection).await? {
            // No server can be running on a new file.
            let _lock =
                if is_locked || is_new { None } else { Some(lock::try_folder(folder)?.ok_or(StoreError::Outdated)?) };
            migrations::SQLITE.run(&mut *connection).await?;
        }
        drop(turn);
        connection.release();
        let options = options.read_only(true).create_if_missing(false);
        let (reads, archive) = (pool(options.clone()), pool(options));
        Ok((SqliteStore { writer, reads, archive }, is_new))
    }

    /// Closes the reading connections and moves the write-ahead log into the file.
    pub(super) async fn close(&self) -> Result<(), StoreError> {
        // First, since a reader that still uses the log prevents that it is emptied.
        self.reads.close().await;
        self.archive.close().await;
        let mut writer = self.acquire().await?;
        sqlx::raw_sql("PRAGMA wal_checkpoint(TRUNCATE)").execute(&mut *writer).await?;
        writer.release();
        Ok(())
    }

    /// Closes every connection. The last one of all processes has SQLite move the write-ahead log into the file and
    /// delete it. Unlike [`SqliteStore::close`] this never makes a running server wait.
    pub(super) async fn disconnect(&self) -> Result<(), StoreError> {
        self.reads.close().await;
        self.archive.close().await;
        self.acquire().await?.close().await?;
        Ok(())
    }

    /// Returns the sizes of the database and its write-ahead log in bytes.
    pub(super) fn file_sizes(&self) -> [(&'static str, u64); 2] {
        let folder = self.writer.file().parent().unwrap_or(Path::new("."));
        [("database", bytes(folder, DATABASE_FILE)), ("log", bytes(folder, LOG_FILE))]
    }

    /// Returns the only connection that writes.
    pub fn writer(&self) -> &Writer {
        &self.writer
    }

    /// Returns the pool of read-only connections for short statements.
    pub fn reads(&self) -> &SqlitePool {
        &self.reads
    }

    async fn acquire(&self) -> Result<WriterGuard, sqlx::Error> {
        self.writer.acquire().await
    }
}

/// Returns [`StoreError::Missing`] if the folder has no store, and that is to be refused.
pub(super) fn require(folder: &Path, if_missing: IfMissing) -> Result<(), StoreError> {
    // A start that was killed may leave an empty file. Beside a log it is damaged instead, which is reported later.
    let has_bytes =
        |name: &str| std::fs::metadata(folder.join(name)).is_ok_and(|about| about.is_file() && about.len() > 0);
    if if_missing == IfMissing::Create || has_bytes(DATABASE_FILE) || has_bytes(LOG_FILE) {
        return Ok(());
    }
    Err(StoreError::Missing("rollcall serve makes one"))
}

/// Returns the size of a file of the folder; 0 if it is missing.
fn bytes(folder: &Path, name: &str) -> u64 {
    std::fs::metadata(folder.join(name)).map_or(0, |metadata| metadata.len())
}

/// Returns [`StoreError::Unreadable`] for an empty file beside a log with content. SQLite would take it for a new
/// database, and delete the log.
fn refuse_empty_beside_log(folder: &Path) -> Result<(), StoreError> {
    if bytes(folder, DATABASE_FILE) == 0 && folder.join(DATABASE_FILE).exists() && bytes(folder, LOG_FILE) > 0 {
        return Err(StoreError::Unreadable(format!("{DATABASE_FILE} is empty beside its write-ahead log")));
    }
    Ok(())
}

/// Returns the folder in which a copy is made that is for a place.
pub(super) fn unfinished_folder(place: &Path) -> PathBuf {
    beside(place, ".partial")
}

/// Returns the path with an ending added to its last name.
pub(super) fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

/// Returns [`StoreError::Unfinished`] for a folder without a store in which a restore was killed: a new store would take
/// the place of the one that was to be restored.
fn refuse_unfinished(folder: &Path) -> Result<(), StoreError> {
    let partial = unfinished_folder(&folder.join(DATABASE_FILE));
    let is_missing = bytes(folder, DATABASE_FILE) == 0;
    if is_missing && partial.exists() { Err(StoreError::Unfinished(partial)) } else { Ok(()) }
}

/// Makes every file of the store private. The database is made here, since SQLite gives a new one the umask's
/// permissions, and the log and its index those of the database. What is open to others is reported.
fn make_private(folder: &Path) -> Result<(), StoreError> {
    let database = folder.join(DATABASE_FILE);
    private::make_file(&database).map_err(|error| StoreError::File(database, error))?;
    for name in [DATABASE_FILE, LOG_FILE, INDEX_FILE, MIGRATION_LOCK] {
        let file = folder.join(name);
        if let Err(error) = private::close_to_others(&file) {
            tracing::warn!(file = %file.display(), %error, "the permissions of the store's file cannot be set");
        }
    }
    if let Some(mode) = private::open_to_others(folder) {
        tracing::warn!(folder = %folder.display(), mode, "the store's folder is open to others; its files are not");
    }
    Ok(())
}

/// Makes a pool of read-only connections.
fn pool(options: SqliteConnectOptions) -> SqlitePool {
    SqlitePoolOptions::new()
        .max_connections(POOL_CONNECTIONS)
        .before_acquire(|connection, _| {
            Box::pin(async move {
                // BEGIN fails inside a transaction: a connection that was left in one is dropped.
                Ok(sqlx::raw_sql("BEGIN; COMMIT").execute(connection).await.is_ok())
            })
        })
        .connect_lazy_with(options)
}

/// Waits for the lock file of migrations. A command may open the store at the same time as a server, and sqlx's
/// migrations of SQLite take no lock.
async fn take_turn(folder: &Path) -> Result<File, std::io::Error> {
    let file = private::open_file(&folder.join(MIGRATION_LOCK))?;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) => tokio::time::sleep(Duration::from_millis(10)).await,
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
}

/// Returns true if a migration of this program was not applied to the tables.
///
/// [`StoreError::Foreign`] for tables of another release that is not older.
async fn is_outdated(connection: &mut SqliteConnection) -> Result<bool, StoreError> {
    let tables: i64 = sqlx::query_scalar("SELECT count(*) FROM sqlite_master WHERE name = '_sqlx_migrations'")
        .fetch_one(&mut *connection)
        .await?;
    if tables == 0 {
        return Ok(true);
    }
    let applied: Vec<Applied> =
        sqlx::query_as("SELECT version, checksum FROM _sqlx_migrations WHERE success").fetch_all(connection).await?;
    migrations::is_outdated(&migrations::SQLITE, &applied)
}

fn uuid(text: &str) -> Result<Uuid, StoreError> {
    Uuid::try_parse(text).map_err(|_| StoreError::Unreadable(format!("{text} is no id")))
}

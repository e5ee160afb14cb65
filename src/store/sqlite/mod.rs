//! The store in a SQLite file. All writes go through one connection, which the journal uses as well.

mod archive;
pub(super) mod backup;
mod checkpoint;
mod deletion;
mod housekeeping;
mod inspect;
mod links;
mod load;
mod pages;
mod registry;
mod tokens;

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use uuid::Uuid;

use self::inspect::{BUSY_TIMEOUT, tables};
use super::migrations::{self, Tables};
use super::{POOL_CONNECTIONS, Purpose, StoreError, lock, private};
use crate::journal::sqlite::{Writer, WriterGuard};

pub(super) use inspect::inspect;

pub use checkpoint::CheckpointWriter;
pub use load::CheckpointReader;
pub use pages::Part;

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
    /// Opens the store for a purpose. Outdated tables are migrated under the server's lock, which is taken for that time
    /// unless the caller holds it (`is_locked`) or the file is new. Returns true if the file was created just now.
    pub(super) async fn open(folder: &Path, is_locked: bool, purpose: Purpose) -> Result<(Self, bool), StoreError> {
        // Before anything is made or changed.
        inspect(folder, purpose).await?;
        if purpose == Purpose::Read {
            return Ok((Self::open_to_read(folder).await?, false));
        }
        private::make_folder(folder).map_err(|error| StoreError::Folder(folder.to_owned(), error))?;
        let file = folder.join(DATABASE_FILE);
        // An empty file was left by a start that was killed.
        let is_new = bytes(folder, DATABASE_FILE) == 0;
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
            .busy_timeout(BUSY_TIMEOUT)
            // 64 MiB, to which SQLite truncates a write-ahead log that a burst made larger.
            .pragma("journal_size_limit", "67108864");
        let writer = Writer::new(options.clone());
        // Before the file is opened: switching a new file to WAL fails at once, rather than waits, if another process
        // has it locked.
        let turn = take_turn(folder).await.map_err(|error| StoreError::Folder(folder.to_owned(), error))?;
        let mut connection = writer.acquire().await?;
        if tables(&mut connection).await? != Tables::Current {
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

    /// Opens a store that [`inspect`] found fit. Neither the file nor its permissions are changed, not even its mode, which
    /// a copy has without a write-ahead log; no statement can write.
    async fn open_to_read(folder: &Path) -> Result<Self, StoreError> {
        let options = inspect::options(folder).foreign_keys(true).pragma("query_only", "ON");
        let writer = Writer::new(options.clone());
        let mut connection = writer.acquire().await?;
        // It uses the log from now on, and so removes it when it is closed last.
        tables(&mut connection).await?.fit(Purpose::Read, "")?;
        connection.release();
        let options = options.read_only(true);
        let (reads, archive) = (pool(options.clone()), pool(options));
        Ok(SqliteStore { writer, reads, archive })
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

/// Returns the size of a file of the folder; 0 if it is missing.
fn bytes(folder: &Path, name: &str) -> u64 {
    std::fs::metadata(folder.join(name)).map_or(0, |metadata| metadata.len())
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

fn uuid(text: &str) -> Result<Uuid, StoreError> {
    Uuid::try_parse(text).map_err(|_| StoreError::Unreadable(format!("{text} is no id")))
}

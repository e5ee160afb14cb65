//! One server a store: a lock that goes with the process, however it ends.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use sqlx::postgres::PgConnection;

use super::{Location, Store, StoreError, postgres};
use crate::journal::{Journal, JournalError, PostgresJournal, SqliteJournal};

/// The lock file's name within a folder.
const FILE: &str = "rollcall.lock";

/// The right to be a store's one server. It is taken before the tables are brought up to date, so that a second server
/// changes nothing under a running one.
#[derive(Debug)]
pub enum ServerLock {
    /// A file that is locked.
    Folder(File),
    /// A session that holds an advisory lock.
    Postgres(Box<PgConnection>),
}

impl ServerLock {
    /// Takes the lock, unless another server has it.
    pub async fn try_take(location: &Location) -> Result<Option<Self>, StoreError> {
        match location {
            Location::Folder(folder) => Ok(try_folder(folder)?.map(ServerLock::Folder)),
            Location::Postgres(options) => {
                let mut connection = postgres::connect::first(options).await?.0;
                let is_ours = PostgresJournal::try_lock(&mut connection).await?;
                Ok(is_ours.then(|| ServerLock::Postgres(Box::new(connection))))
            }
        }
    }
}

/// Locks the file in a folder, which is made if it is not there.
pub(super) fn try_folder(folder: &Path) -> Result<Option<File>, StoreError> {
    std::fs::create_dir_all(folder).map_err(|error| StoreError::Folder(folder.to_owned(), error))?;
    let path: PathBuf = folder.join(FILE);
    let refused = |error| StoreError::Lock(path.clone(), error);
    let file = File::options().create(true).truncate(false).write(true).open(&path).map_err(refused)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(refused(error)),
    }
}

impl Store {
    /// The journal of the same store, for the one engine, on the connection that holds the lock. `apply_version` names
    /// the rules it applies. Returns what must be held besides for as long as the server runs.
    pub async fn locked_journal(
        &self,
        lock: ServerLock,
        apply_version: u32,
    ) -> Result<(Journal, Option<File>), JournalError> {
        Ok(match (self, lock) {
            (Store::Postgres(store), ServerLock::Postgres(connection)) => {
                let journal = PostgresJournal::locked(store.options().clone(), *connection, apply_version);
                (Journal::Postgres(journal), None)
            }
            (Store::Sqlite(store), ServerLock::Folder(file)) => {
                (Journal::Sqlite(SqliteJournal::new(store.writer().clone(), apply_version)), Some(file))
            }
            // A lock of another store protects nothing here.
            _ => return Err(JournalError::Taken),
        })
    }
}

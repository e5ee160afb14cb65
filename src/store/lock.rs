//! The lock of a store's servers. An embedded store has one server. On PostgreSQL servers share the lock, and what needs the
//! store alone, such as a migration or a server of an older release, takes it exclusively. It is released when the process
//! ends, however it ends.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use sqlx::postgres::PgConnection;

use super::postgres::connect::First;
use super::{Location, Purpose, Store, StoreError, postgres, private};
use crate::journal::{Journal, JournalError, LockMode, PostgresJournal, SqliteJournal};

/// The lock file's name within a folder.
const LOCK_FILE: &str = "rollcall.lock";

/// The lock of a server. It is taken before migrations run, which need it exclusively, so that no server migrates the tables
/// under a running one.
#[derive(Debug)]
pub enum ServerLock {
    /// A locked file in the store's folder.
    Folder(File),
    /// A session that holds an advisory lock in this mode.
    Postgres(Box<PgConnection>, LockMode),
}

impl ServerLock {
    /// Takes the lock for this process alone. `None` if a server has it. Returns later, by a pause, if the last server on
    /// PostgreSQL did not end in an orderly way. A database that cannot be opened for the purpose is an error; a folder is
    /// looked into by [`Location::inspect`].
    pub async fn try_take(location: &Location, purpose: Purpose) -> Result<Option<Self>, StoreError> {
        Self::try_take_as(location, purpose, LockMode::Exclusive).await
    }

    /// Works as [`ServerLock::try_take`], with the lock in this mode. A folder has one for one server only. Tables that are
    /// to be made, or migrated from a release that cannot run beside newer ones, need the lock exclusively:
    /// [`ServerLock::share`] changes that afterwards.
    pub async fn try_take_as(
        location: &Location,
        purpose: Purpose,
        mode: LockMode,
    ) -> Result<Option<Self>, StoreError> {
        match location {
            Location::Folder(folder) => Ok(try_folder(folder)?.map(ServerLock::Folder)),
            Location::Postgres(options) => {
                let First { mut connection, tables, .. } = postgres::connect::first(options, purpose).await?;
                let mode = if tables.need_the_store_alone() { LockMode::Exclusive } else { mode };
                if !PostgresJournal::try_lock(&mut connection, mode).await? {
                    return Ok(None);
                }
                // Others are expected where they share the lock.
                if mode == LockMode::Exclusive {
                    PostgresJournal::await_others(&mut connection).await?;
                }
                Ok(Some(ServerLock::Postgres(Box::new(connection), mode)))
            }
        }
    }

    /// Shares a lock on PostgreSQL with other servers from now on. At no moment it is not held.
    pub async fn share(&mut self) -> Result<(), StoreError> {
        if let ServerLock::Postgres(connection, mode @ LockMode::Exclusive) = self {
            PostgresJournal::share_lock(connection).await?;
            *mode = LockMode::Shared;
        }
        Ok(())
    }
}

/// Creates the folder if needed and locks the lock file in it. `None` if another process has it locked.
pub(super) fn try_folder(folder: &Path) -> Result<Option<File>, StoreError> {
    private::make_folder(folder).map_err(|error| StoreError::Folder(folder.to_owned(), error))?;
    let path: PathBuf = folder.join(LOCK_FILE);
    let refused = |error| StoreError::Lock(path.clone(), error);
    // Not truncated: the file may be locked by a running server.
    let file = private::open_file(&path).map_err(refused)?;
    match file.try_lock() {
        Ok(()) => {
            // Empty, so that a failure gives nothing away.
            let _closed = private::close_to_others(&path);
            Ok(Some(file))
        }
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(refused(error)),
    }
}

impl Store {
    /// Returns true if a server runs on the store.
    pub async fn is_served(&self) -> Result<bool, StoreError> {
        Ok(match self {
            Store::Sqlite(store) => {
                // A lock that is taken here is given back at once; a server that starts tries again.
                let folder = store.writer().file().parent().unwrap_or(Path::new("."));
                try_folder(folder)?.is_none()
            }
            Store::Postgres(store) => PostgresJournal::is_taken(&mut store.sessions().connect().await?).await?,
        })
    }

    /// Opens the store's journal for the engine of the server that holds `lock`. `apply_version` is the version of the
    /// rules it applies. A returned file must be held for as long as the server runs; on PostgreSQL the journal's
    /// connection holds the lock.
    ///
    /// [`JournalError::Taken`] for the lock of another kind of store.
    pub async fn locked_journal(
        &self,
        lock: ServerLock,
        apply_version: u32,
    ) -> Result<(Journal, Option<File>), JournalError> {
        Ok(match (self, lock) {
            (Store::Postgres(store), ServerLock::Postgres(connection, mode)) => {
                let sessions = store.sessions().clone();
                let journal = PostgresJournal::locked(sessions, *connection, mode, apply_version).await?;
                (Journal::Postgres(journal), None)
            }
            (Store::Sqlite(store), ServerLock::Folder(file)) => {
                (Journal::Sqlite(SqliteJournal::new(store.writer().clone(), apply_version)), Some(file))
            }
            // A lock of the other backend does not protect this store.
            _ => return Err(JournalError::Taken),
        })
    }
}

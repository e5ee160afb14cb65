//! Looks into a store's folder, and opens its file for reading, without changing either.

use std::io;
use std::path::Path;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Connection};

use super::{DATABASE_FILE, LOG_FILE, bytes, unfinished_folder};
use crate::store::migrations::{self, Applied, COMPATIBILITY_TABLE, Found, MIGRATIONS_TABLE, Tables};
use crate::store::{Purpose, StoreError};

/// The commands that make an embedded store.
const MAKERS: &str = "rollcall serve makes one";
/// The longest wait for a lock of another process.
pub(super) const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Returns the tables of the store in a folder, of which nothing is changed. An error if they cannot be used for the
/// purpose; [`StoreError::NoStore`] for a file that is no database.
pub(in crate::store) async fn inspect(folder: &Path, purpose: Purpose) -> Result<Tables, StoreError> {
    refuse_unfinished(folder)?;
    refuse_log_alone(folder)?;
    let file = folder.join(DATABASE_FILE);
    match std::fs::metadata(&file) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Err(StoreError::Access(file, error)),
        Ok(about) if !about.is_file() => {
            return Err(StoreError::NoStore(format!("{DATABASE_FILE} is no regular file")));
        }
        Ok(about) if about.len() > 0 => {}
        // A start that was killed may leave an empty file.
        Ok(_) | Err(_) => return Tables::Missing.fit(purpose, MAKERS),
    }
    require_access(&file, purpose)?;
    let mut connection = options(folder).connect().await.map_err(no_database)?;
    let found = tables(&mut connection).await;
    connection.close().await?;
    found?.fit(purpose, MAKERS)
}

/// Returns the tables of an open database.
pub(super) async fn tables(connection: &mut SqliteConnection) -> Result<Tables, StoreError> {
    let names: Vec<String> = sqlx::query_scalar(
        "SELECT name FROM sqlite_master WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'
         ORDER BY name",
    )
    .fetch_all(&mut *connection)
    .await
    .map_err(no_database)?;
    let has = |table: &str| names.iter().any(|name| name == table);
    let applied: Vec<Applied> = if has(MIGRATIONS_TABLE) {
        let applied = "SELECT version, checksum FROM _sqlx_migrations WHERE success";
        sqlx::query_as(applied).fetch_all(&mut *connection).await?
    } else {
        Vec::new()
    };
    let oldest = if has(COMPATIBILITY_TABLE) && !applied.is_empty() {
        sqlx::query_scalar("SELECT max(oldest) FROM compatibility").fetch_one(connection).await?
    } else {
        None
    };
    migrations::compare(&migrations::SQLITE, &Found { applied, oldest, names }, DATABASE_FILE)
}

/// Returns how a connection is opened that changes nothing as long as its statements do not. The mode of the journal stays
/// as it is.
pub(super) fn options(folder: &Path) -> SqliteConnectOptions {
    let options = SqliteConnectOptions::new().filename(folder.join(DATABASE_FILE)).busy_timeout(BUSY_TIMEOUT);
    if bytes(folder, LOG_FILE) > 0 {
        // The last connection that may write moves the log into the file when it is closed.
        options.read_only(true)
    } else if is_writable(folder) {
        // One that may not write would leave an empty log and its index behind.
        options
    } else {
        // SQLite makes both even for reading. Without a log, and in a folder where none can be made, the file is whole.
        options.read_only(true).immutable(true)
    }
}

/// Returns [`StoreError::Unfinished`] for a folder without a store in which a restore was killed: a new store would take
/// the place of the one that was to be restored.
fn refuse_unfinished(folder: &Path) -> Result<(), StoreError> {
    let partial = unfinished_folder(&folder.join(DATABASE_FILE));
    let is_missing = bytes(folder, DATABASE_FILE) == 0;
    if is_missing && partial.exists() { Err(StoreError::Unfinished(partial)) } else { Ok(()) }
}

/// Returns [`StoreError::Unreadable`] for a log with content beside a file that is empty or missing. SQLite would make a
/// new database, and delete the log.
fn refuse_log_alone(folder: &Path) -> Result<(), StoreError> {
    if bytes(folder, LOG_FILE) == 0 || bytes(folder, DATABASE_FILE) > 0 {
        return Ok(());
    }
    let lack = if folder.join(DATABASE_FILE).exists() { "empty" } else { "missing" };
    Err(StoreError::Unreadable(format!("{DATABASE_FILE} is {lack} beside its write-ahead log")))
}

/// Returns [`StoreError::Access`] if this user may not open the file. SQLite's own error has no cause. The file is not
/// opened here: closing it again would release the locks that SQLite holds on it elsewhere in this process.
#[cfg(unix)]
fn require_access(file: &Path, purpose: Purpose) -> Result<(), StoreError> {
    use rustix::fs::{Access, access};
    let wanted = if purpose == Purpose::Read { Access::READ_OK } else { Access::READ_OK | Access::WRITE_OK };
    access(file, wanted).map_err(|error| StoreError::Access(file.to_owned(), error.into()))
}

/// Other systems report the cause themselves.
#[cfg(not(unix))]
fn require_access(_: &Path, _: Purpose) -> Result<(), StoreError> {
    Ok(())
}

#[cfg(unix)]
fn is_writable(folder: &Path) -> bool {
    use rustix::fs::{Access, access};
    access(folder, Access::WRITE_OK | Access::EXEC_OK).is_ok()
}

#[cfg(not(unix))]
fn is_writable(folder: &Path) -> bool {
    std::fs::metadata(folder).is_ok_and(|about| !about.permissions().readonly())
}

/// Turns SQLite's error for a file of another kind, or one with damaged pages, into [`StoreError::NoStore`].
pub(super) fn no_database(error: sqlx::Error) -> StoreError {
    const CORRUPT: u32 = 11;
    const NOT_A_DATABASE: u32 = 26;
    // The low byte is the primary code.
    match code(&error).map(|code| code & 0xff) {
        Some(CORRUPT | NOT_A_DATABASE) => StoreError::NoStore(error.to_string()),
        _ => StoreError::Sql(error),
    }
}

/// Returns SQLite's extended code of an error.
pub(super) fn code(error: &sqlx::Error) -> Option<u32> {
    error.as_database_error().and_then(|error| error.code()?.parse().ok())
}

//! Copies of the file: made beside a running server, and checked before they are put in place.

use std::fs::File;
use std::io;
use std::path::Path;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Connection};

use super::super::{Purpose, StoreError};
use super::inspect::{self, code, inspect, no_database};

/// Copies the store of a folder into `target`, as of one instant, without making a server wait. The file must be empty:
/// SQLite writes into one that is there, and so keeps its permissions. What was deleted from the store is not in it.
///
/// [`StoreError::Older`] for the tables of an older release: they are copied as they are by that release only.
pub async fn copy(folder: &Path, target: &Path) -> Result<(), StoreError> {
    inspect(folder, Purpose::Read).await?;
    let unusable = |error| StoreError::File(target.to_owned(), error);
    let path = std::path::absolute(target).map_err(unusable)?;
    let path = path.to_str().ok_or_else(|| unusable(io::Error::other("its path is not UTF-8")))?;
    let mut source = inspect::options(folder).connect().await.map_err(no_database)?;
    // One read transaction: appends go on beside it, in the write-ahead log.
    let copied = sqlx::query("VACUUM INTO ?1").bind(path).execute(&mut source).await;
    copied.map_err(|error| no_room(error, target))?;
    source.close().await?;
    Ok(())
}

/// Checks that a file is a whole store: every page of it can be read, its indexes agree with their tables, and it has
/// the tables of a store, of whichever release. [`StoreError::NoStore`] with the reason otherwise.
pub async fn check(file: &Path) -> Result<(), StoreError> {
    // SQLite takes an empty file for an empty database.
    if std::fs::metadata(file).map_err(|error| StoreError::File(file.to_owned(), error))?.len() == 0 {
        return Err(StoreError::NoStore(String::from("it is empty")));
    }
    let mut connection = connect(file).await?;
    let found: Result<Vec<String>, _> =
        sqlx::query_scalar("PRAGMA integrity_check(1)").fetch_all(&mut connection).await;
    match found.map_err(no_database)?.as_slice() {
        [only] if only == "ok" => {}
        problems => return Err(StoreError::NoStore(problems.join("; "))),
    }
    let tables: i64 =
        sqlx::query_scalar("SELECT count(*) FROM sqlite_master WHERE name IN ('_sqlx_migrations', 'registry', 'head')")
            .fetch_one(&mut connection)
            .await?;
    connection.close().await?;
    if tables == 3 { Ok(()) } else { Err(StoreError::NoStore(String::from("it has no tables of rollcall"))) }
}

/// Deletes what a copy must not bring back: the row of the server that ran on the store, and the tokens, among which
/// are those that were revoked after the copy was made.
pub async fn forget(file: &Path) -> Result<(), StoreError> {
    let mut connection = connect(file).await?;
    sqlx::raw_sql("PRAGMA secure_delete = ON; BEGIN; DELETE FROM replica; DELETE FROM token; COMMIT")
        .execute(&mut connection)
        .await?;
    connection.close().await?;
    Ok(())
}

/// Moves everything from a write-ahead log into the file, which nothing else may use, and syncs it.
pub async fn settle(file: &Path) -> Result<(), StoreError> {
    let mut connection = connect(file).await?;
    let mode: String = sqlx::query_scalar("PRAGMA journal_mode = DELETE").fetch_one(&mut connection).await?;
    connection.close().await?;
    let unusable = |error| StoreError::File(file.to_owned(), error);
    if mode != "delete" {
        return Err(unusable(io::Error::other("it is still in use")));
    }
    File::open(file).and_then(|file| file.sync_all()).map_err(unusable)
}

/// Opens a file that is there, and leaves the mode of its journal as it is.
async fn connect(file: &Path) -> Result<SqliteConnection, StoreError> {
    let options = SqliteConnectOptions::new().filename(file).busy_timeout(Duration::from_secs(5));
    options.connect().await.map_err(no_database)
}

/// Turns SQLite's errors of a write that failed into [`StoreError::NoRoom`], with the cause.
fn no_room(error: sqlx::Error, target: &Path) -> StoreError {
    const FULL: u32 = 13;
    const WRITE_FAILED: u32 = 778;
    let why = match (code(&error), size_limit()) {
        (Some(FULL), _) => String::from("its file system is full"),
        (Some(WRITE_FAILED), Some(limit)) => {
            format!("files of this process are limited to {limit} bytes (ulimit -f), or its file system failed")
        }
        _ => return StoreError::Sql(error),
    };
    StoreError::NoRoom(target.to_owned(), why)
}

/// Returns the most bytes that a file of this process may have; `None` without a limit.
#[cfg(unix)]
fn size_limit() -> Option<u64> {
    rustix::process::getrlimit(rustix::process::Resource::Fsize).current
}

/// Other systems have no such limit.
#[cfg(not(unix))]
fn size_limit() -> Option<u64> {
    None
}

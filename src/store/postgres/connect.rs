//! How to connect to PostgreSQL: a silent connection ends in seconds on both sides, and a server that cannot keep the
//! service's promises is refused before anything is written.

use std::time::Duration;

use sqlx::migrate::MigrateError;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{Connection, Row};

use super::MIGRATIONS;
use crate::journal::PostgresJournal;
use crate::store::StoreError;

/// The oldest server that the statements here work on.
const OLDEST: i32 = 140_000;
/// How long a migration waits for a table that another process uses, before it gives way and is tried again.
const LOCK_TIMEOUT: &str = "1000";
/// How often migrations are tried.
const ATTEMPTS: u32 = 10;
/// Between two attempts at them, or at the lock that a running server has.
const PAUSE: Duration = Duration::from_millis(200);

/// The settings of every connection. With them the server ends a session whose client went silent within 10 s, and with it
/// the locks that it held; a client that is there answers the probes. Our own side has a time limit for every wait.
fn hardened(options: &PgConnectOptions) -> PgConnectOptions {
    options.clone().options([
        ("tcp_keepalives_idle", "4"),
        ("tcp_keepalives_interval", "2"),
        ("tcp_keepalives_count", "3"),
        ("tcp_user_timeout", "10000"),
        ("idle_in_transaction_session_timeout", "30000"),
        // Every statement here is short; compiling one takes longer than running it.
        ("jit", "off"),
    ])
}

/// Connects for the first time, and makes sure that the service can work there. Returns the connection and how to make
/// others like it.
pub(in crate::store) async fn first(
    options: &PgConnectOptions,
) -> Result<(PgConnection, PgConnectOptions), StoreError> {
    let options = hardened(options);
    let mut connection = PgConnection::connect_with(&options).await?;
    let server = sqlx::query(
        "SELECT current_setting('server_version_num')::int AS version, current_setting('server_version') AS name,
                current_setting('server_encoding') AS encoding, pg_is_in_recovery() AS is_standby,
                current_setting('transaction_read_only') = 'on' AS is_read_only,
                current_setting('synchronous_commit') AS commits",
    )
    .fetch_one(&mut connection)
    .await?;
    let encoding: String = server.try_get("encoding")?;
    let refused = if server.try_get::<i32, _>("version")? < OLDEST {
        Some(format!("its server_version is {}; it must be 14 or newer", server.try_get::<String, _>("name")?))
    } else if encoding != "UTF8" {
        Some(format!(
            "its server_encoding is {encoding}, which does not have every character of an event; it must be UTF8, \
             which CREATE DATABASE ... ENCODING 'UTF8' TEMPLATE template0 chooses"
        ))
    } else if server.try_get("is_standby")? {
        Some(String::from("the server is a standby (pg_is_in_recovery is true); connect to the primary"))
    } else if server.try_get("is_read_only")? {
        Some(String::from("it is read-only: default_transaction_read_only must be off"))
    } else {
        None
    };
    if let Some(refused) = refused {
        return Err(StoreError::Unsuitable(refused));
    }
    let commits = raised(&server.try_get::<String, _>("commits")?).to_owned();
    sqlx::query("SELECT set_config('synchronous_commit', $1, false)").bind(&commits).execute(&mut connection).await?;
    Ok((connection, options.options([("synchronous_commit", commits)])))
}

/// What `synchronous_commit` must be where it is `setting`: an acknowledged write is on the server's disk, and on its
/// standbys' where the operator wants that.
fn raised(setting: &str) -> &str {
    match setting {
        "remote_apply" => setting,
        // Also the older spellings of a boolean that is true.
        _ => "on",
    }
}

/// Whether the tables are older than this program.
pub(super) async fn is_outdated(connection: &mut PgConnection) -> Result<bool, StoreError> {
    let table: Option<String> =
        sqlx::query_scalar("SELECT to_regclass('_sqlx_migrations')::text").fetch_one(&mut *connection).await?;
    if table.is_none() {
        return Ok(true);
    }
    let applied: Vec<i64> =
        sqlx::query_scalar("SELECT version FROM _sqlx_migrations WHERE success").fetch_all(connection).await?;
    Ok(MIGRATIONS.iter().any(|migration| !applied.contains(&migration.version)))
}

/// Takes the lock of a server for the time of a migration, unless another process brings the tables up to date first.
pub(super) async fn lock_for_migration(connection: &mut PgConnection) -> Result<(), StoreError> {
    for _ in 0..ATTEMPTS {
        if PostgresJournal::try_lock(connection).await? || !is_outdated(connection).await? {
            return Ok(());
        }
        tokio::time::sleep(PAUSE).await;
    }
    Err(StoreError::Outdated)
}

/// Brings the tables up to date. A table that is in use for longer than a second is waited for in several attempts, so
/// that whoever comes after the migration in the queue for its lock does not wait for longer than that either.
pub(super) async fn migrate(options: &PgConnectOptions) -> Result<(), StoreError> {
    let options = options.clone().options([("lock_timeout", LOCK_TIMEOUT)]);
    let mut connection = PgConnection::connect_with(&options).await?;
    let mut attempt = 1;
    loop {
        match MIGRATIONS.run(&mut connection).await {
            Ok(()) => break,
            Err(error) if attempt == ATTEMPTS || !is_lock_timeout(&error) => return Err(error.into()),
            Err(_) => {
                attempt += 1;
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
    connection.close().await?;
    Ok(())
}

fn is_lock_timeout(error: &MigrateError) -> bool {
    let (MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _)) = error else { return false };
    error.as_database_error().and_then(|error| error.code()).is_some_and(|code| code == "55P03")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn synchronous_commit_is_raised_and_never_lowered() {
        let raised_to = ["off", "local", "remote_write", "on", "remote_apply"].map(raised);
        assert_eq!(raised_to, ["on", "on", "on", "on", "remote_apply"]);
    }
}

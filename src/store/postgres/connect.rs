//! Connects to PostgreSQL. Both sides drop a silent connection within seconds, and a server that does not meet the
//! requirements is rejected before anything is written.

use std::time::Duration;

use sqlx::migrate::MigrateError;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{Connection, Row};

use crate::journal::{LockMode, PostgresJournal, Sessions};
use crate::store::migrations::{self, Applied, COMPATIBILITY_TABLE, Found, MIGRATIONS_TABLE, Tables};
use crate::store::{Purpose, StoreError};

/// The oldest supported server, as `server_version_num`: 14.0.
const OLDEST_SERVER: i32 = 140_000;
/// The longest wait of a migration for the lock of a table, in milliseconds, before it is tried again.
const LOCK_TIMEOUT: &str = "1000";
/// The number of attempts at a migration, or at the server's lock.
const MAX_ATTEMPTS: u32 = 10;
/// The number of times that two connections are compared. A busy pooler may give them different processes once.
const SHARING_CHECKS: u32 = 3;
/// The longest wait for the comparison of two connections.
const SECOND_TIMEOUT: Duration = Duration::from_secs(10);
/// The pause between two attempts.
const RETRY_PAUSE: Duration = Duration::from_millis(200);

/// The settings of every session. With them the server ends the session of a client that went silent within 10 s, and
/// releases its locks; a client that is alive answers the probes. On our side every wait has a time limit.
const SETTINGS: [(&str, &str); 6] = [
    // 4 s of silence, then three probes 2 s apart.
    ("tcp_keepalives_idle", "4"),
    ("tcp_keepalives_interval", "2"),
    ("tcp_keepalives_count", "3"),
    ("tcp_user_timeout", "10000"),
    ("idle_in_transaction_session_timeout", "30000"),
    // Every statement here is short: JIT compilation would take longer than running it.
    ("jit", "off"),
];

/// The commands that make the tables.
const MAKERS: &str = "rollcall serve or rollcall migrate makes its tables";

/// What is in the schema where tables would be made: tables, views, sequences and types, except for those of extensions;
/// and functions with the names of ours.
const NAMES: &str = "
SELECT name FROM (
    SELECT oid, 'pg_class'::regclass AS catalog, relname::text AS name FROM pg_class
    WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p', 'v', 'm', 'f', 'S', 'c')
    UNION ALL
    SELECT oid, 'pg_type'::regclass, typname::text FROM pg_type
    WHERE typnamespace = current_schema()::regnamespace AND typtype IN ('d', 'e', 'r')
    UNION ALL
    SELECT oid, 'pg_proc'::regclass, proname::text FROM pg_proc
    WHERE pronamespace = current_schema()::regnamespace AND proname IN ('archive_tags', 'tag_archive')
) AS there
WHERE NOT EXISTS (
    SELECT FROM pg_depend WHERE classid = there.catalog AND objid = there.oid AND deptype = 'e'
) ORDER BY name";

/// A first connection to a server that can be used, and what it found.
pub(in crate::store) struct First {
    pub connection: PgConnection,
    /// Opens further sessions. Those of a store that is only read can change nothing.
    pub sessions: Sessions,
    pub tables: Tables,
}

/// Connects for the first time, and checks the server and its tables, without changing anything. An error if the tables
/// cannot be used for the purpose.
///
/// [`StoreError::Unsuitable`] for a server older than 14, another encoding than UTF8, a standby, a read-only database,
/// or a pooler that lends connections to transactions.
pub(in crate::store) async fn first(options: &PgConnectOptions, purpose: Purpose) -> Result<First, StoreError> {
    let sessions = Sessions::new(options);
    let mut connection = sessions.connect().await?;
    // Before any prepared statement, which such a pooler may lose, and before the lock, which would stay with it.
    require_sessions(&mut connection, &sessions).await?;
    let server = sqlx::query(
        "SELECT current_setting('server_version_num')::int AS version, current_setting('server_version') AS name,
                current_setting('server_encoding') AS encoding, pg_is_in_recovery() AS is_standby,
                current_setting('transaction_read_only') = 'on' AS is_read_only,
                current_setting('synchronous_commit') AS commits",
    )
    .fetch_one(&mut connection)
    .await?;
    let encoding: String = server.try_get("encoding")?;
    let refused = if server.try_get::<i32, _>("version")? < OLDEST_SERVER {
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
    let sessions = sessions.with(SETTINGS).with([("synchronous_commit", commits)]);
    sessions.apply(&mut connection).await?;
    let tables = tables(&mut connection).await?.fit(purpose, MAKERS)?;
    let sessions = match purpose {
        Purpose::Read => sessions.with([("default_transaction_read_only", "on")]),
        Purpose::Write | Purpose::Make => sessions,
    };
    Ok(First { connection, sessions, tables })
}

/// Fails unless each connection keeps a process of the server, as `first` must while it is open. A pooler that lends a
/// process to one transaction at a time, such as PgBouncer with `pool_mode=transaction`, has two connections share one,
/// or one change it: the server's lock and all settings would be on the wrong connection, or on none.
async fn require_sessions(first: &mut PgConnection, sessions: &Sessions) -> Result<(), StoreError> {
    let shared = async {
        let process = process_of(first).await?;
        let mut second = sessions.connect().await?;
        for _ in 0..SHARING_CHECKS {
            if process_of(&mut second).await? == process || process_of(first).await? != process {
                return Ok(true);
            }
        }
        second.close().await?;
        Ok::<_, sqlx::Error>(false)
    };
    let Ok(shared) = tokio::time::timeout(SECOND_TIMEOUT, shared).await else {
        let refused = "a second connection got no answer within 10 s; a pooler in front of it may allow too few";
        return Err(StoreError::Unsuitable(String::from(refused)));
    };
    if !shared? {
        return Ok(());
    }
    Err(StoreError::Unsuitable(String::from(
        "its connections share sessions of the server, as behind PgBouncer with pool_mode=transaction, but the lock of \
         the only server and the settings belong to one session: set pool_mode=session, or name the server itself",
    )))
}

/// Returns the process id of the server's side, without a prepared statement.
async fn process_of(connection: &mut PgConnection) -> Result<i32, sqlx::Error> {
    sqlx::raw_sql("SELECT pg_backend_pid()").fetch_one(connection).await?.try_get(0)
}

/// Returns the value to set `synchronous_commit` to, given the server's `setting`. An acknowledged write must be on the
/// server's disk at least; the stricter `remote_apply` is kept.
fn raised(setting: &str) -> &str {
    match setting {
        "remote_apply" => setting,
        // Includes the older boolean spellings of "on".
        _ => "on",
    }
}

/// Returns the tables of the database.
pub(super) async fn tables(connection: &mut PgConnection) -> Result<Tables, StoreError> {
    let schema: Option<String> =
        sqlx::query_scalar("SELECT current_schema()::text").fetch_one(&mut *connection).await?;
    let Some(schema) = schema else {
        let refused = "its search_path names no schema that exists, or none that this user may use";
        return Err(StoreError::Unsuitable(String::from(refused)));
    };
    // Before the migrations: tables that another process makes meanwhile would have none otherwise.
    let names: Vec<String> = sqlx::query_scalar(NAMES).fetch_all(&mut *connection).await?;
    let applied: Vec<Applied> = if has_table(connection, MIGRATIONS_TABLE).await? {
        let applied = "SELECT version, checksum FROM _sqlx_migrations WHERE success";
        sqlx::query_as(applied).fetch_all(&mut *connection).await?
    } else {
        Vec::new()
    };
    let oldest: Option<i32> = if !applied.is_empty() && has_table(connection, COMPATIBILITY_TABLE).await? {
        sqlx::query_scalar("SELECT max(oldest) FROM compatibility").fetch_one(connection).await?
    } else {
        None
    };
    let found = Found { applied, oldest: oldest.map(i64::from), names };
    migrations::compare(&migrations::POSTGRES, &found, &format!("the schema {schema}"))
}

async fn has_table(connection: &mut PgConnection, name: &str) -> Result<bool, sqlx::Error> {
    let has = sqlx::query_scalar("SELECT to_regclass($1) IS NOT NULL").bind(name);
    has.fetch_one(connection).await
}

/// Takes the server's lock for the time of a migration: exclusively if it needs the store alone, and otherwise as servers
/// do, beside which it runs. Also returns once another process has migrated the tables.
///
/// [`StoreError::Outdated`] if neither happens within two seconds: a server is running on the outdated tables.
pub(super) async fn lock_for_migration(connection: &mut PgConnection, found: Tables) -> Result<(), StoreError> {
    let mode = if found.need_the_store_alone() { LockMode::Exclusive } else { LockMode::Shared };
    for _ in 0..MAX_ATTEMPTS {
        let is_taken = PostgresJournal::try_lock(connection, mode).await?;
        if is_taken || tables(connection).await? == Tables::Current {
            return Ok(());
        }
        tokio::time::sleep(RETRY_PAUSE).await;
    }
    Err(StoreError::Outdated)
}

/// Runs the migrations. A table that is in use is waited for in attempts of a second each, since statements that queue
/// behind the migration for the table's lock wait as long as it does.
pub(super) async fn migrate(sessions: &Sessions) -> Result<(), StoreError> {
    let mut connection = sessions.clone().with([("lock_timeout", LOCK_TIMEOUT)]).connect().await?;
    let mut attempt = 1;
    loop {
        match migrations::POSTGRES.run(&mut connection).await {
            Ok(()) => break,
            Err(error) if attempt == MAX_ATTEMPTS || !is_lock_timeout(&error) => return Err(error.into()),
            Err(_) => {
                attempt += 1;
                tokio::time::sleep(RETRY_PAUSE).await;
            }
        }
    }
    connection.close().await?;
    Ok(())
}

/// Returns true if a migration failed with PostgreSQL's `lock_not_available`.
fn is_lock_timeout(error: &MigrateError) -> bool {
    let (MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _)) = error else { return false };
    error.as_database_error().and_then(|error| error.code()).is_some_and(|code| code == "55P03")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn synchronous_commit_is_never_lowered() {
        let raised_to = ["off", "local", "remote_write", "on", "remote_apply"].map(raised);
        assert_eq!(raised_to, ["on", "on", "on", "on", "remote_apply"]);
    }
}

//! The advisory lock of a database's servers.

use std::time::Duration;

use sqlx::postgres::PgConnection;

use super::PostgresJournal;
use crate::journal::LockMode;

/// The key of the advisory lock that a server holds while it runs: shared with other servers, so that nothing that needs the
/// database alone begins meanwhile. The digits spell "roll" in ASCII.
const SERVER_LOCK: i64 = 0x726f_6c6c;

/// The pause after the lock was taken exclusively while a server did not end in an orderly way, and may still run. It notices
/// within a quarter of a second that it lost the lock; what needs the store alone begins later.
const TAKEOVER_PAUSE: Duration = Duration::from_secs(1);

impl PostgresJournal {
    /// Takes the server's lock, which is held until the connection ends. Returns false if another session has it in a mode
    /// that does not allow this one.
    pub async fn try_lock(connection: &mut PgConnection, mode: LockMode) -> Result<bool, sqlx::Error> {
        let lock = match mode {
            LockMode::Exclusive => "SELECT pg_try_advisory_lock($1)",
            LockMode::Shared => "SELECT pg_try_advisory_lock_shared($1)",
        };
        sqlx::query_scalar(lock).bind(SERVER_LOCK).fetch_one(connection).await
    }

    /// Takes the lock in shared mode on a connection that has it exclusively, then lets go of the latter.
    pub async fn share_lock(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        // One after the other: a session's own locks do not exclude each other.
        for step in ["SELECT pg_advisory_lock_shared($1)", "SELECT pg_advisory_unlock($1)"] {
            sqlx::query(step).bind(SERVER_LOCK).execute(&mut *connection).await?;
        }
        Ok(())
    }

    /// Returns true if a session has the server's lock. It is not taken here, not even for a moment: a server that lost it
    /// would take that for another server.
    pub async fn is_taken(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
        let taken = "SELECT EXISTS (SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 1
                     AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
                     AND (classid::bigint << 32 | objid::bigint) = $1)";
        sqlx::query_scalar(taken).bind(SERVER_LOCK).fetch_one(connection).await
    }

    /// Pauses with the server's lock held, for what needs the store alone, if a server has not ended in an orderly way: it
    /// may be about to notice that it lost the lock.
    pub async fn await_others(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        if Self::has_others(connection).await? {
            tokio::time::sleep(TAKEOVER_PAUSE).await;
        }
        Ok(())
    }

    async fn has_others(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
        let there = "SELECT to_regclass('replica') IS NOT NULL, to_regclass('journal') IS NOT NULL";
        match sqlx::query_as(there).fetch_one(&mut *connection).await? {
            (true, _) => sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM replica)").fetch_one(connection).await,
            // Tables of a release that did not note its end, or none at all.
            (false, is_older) => Ok(is_older),
        }
    }
}

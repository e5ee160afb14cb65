//! The store on PostgreSQL. The journal and checkpoints have connections of their own; everything else uses small
//! pools.

mod archive;
mod checkpoint;
pub(super) mod connect;
mod deletion;
mod heartbeats;
mod housekeeping;
mod links;
mod load;
mod log_ins;
mod pages;
mod registry;
mod tickets;
mod tokens;

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use sqlx::Connection;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions};

use self::connect::First;
use super::migrations::Tables;
use super::{POOL_CONNECTIONS, Purpose, StoreError};
use crate::journal::Sessions;

pub use checkpoint::CheckpointWriter;
pub use heartbeats::{HeartbeatTable, Mark};
pub use load::CheckpointReader;
pub use log_ins::LogInTable;
pub use pages::Part;

/// The server's time limit for a page of the archive. Its caller gives up shortly before and does not cancel the
/// statement.
const ARCHIVE_TIMEOUT: Duration = Duration::from_secs(1);
/// The server's time limit for any other statement of a request or of housekeeping.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(10);
/// The time limit for the check of a pooled connection before it is used. A connection that does not answer is closed.
const CHECK_TIMEOUT: Duration = Duration::from_millis(500);

/// The connections of the pool of requests: two more, for the tickets of desks, whose statements run two at a time.
const REQUEST_CONNECTIONS: u32 = POOL_CONNECTIONS + 2;

/// The store on a server.
#[derive(Clone, Debug)]
pub struct PostgresStore {
    sessions: Sessions,
    pool: PgPool,
    /// A pool of its own, so that slow pages of the archive do not occupy the connections of other requests.
    archive: PgPool,
    /// Idle connections for checkpoints.
    spare: Arc<Mutex<Vec<PgConnection>>>,
}

impl PostgresStore {
    /// Opens the store for a purpose. Outdated tables are migrated under the server's lock, which is taken for that time
    /// unless the caller holds it in the mode that they need (`is_locked`). Returns true if the store was created just now.
    pub(super) async fn open(
        options: &PgConnectOptions,
        is_locked: bool,
        purpose: Purpose,
    ) -> Result<(Self, bool), StoreError> {
        let First { mut connection, sessions, tables } = connect::first(options, purpose).await?;
        if tables != Tables::Current {
            if !is_locked {
                connect::lock_for_migration(&mut connection, tables).await?;
            }
            connect::migrate(&sessions).await?;
        }
        // A lock that was taken for the migration ends with the connection.
        connection.close().await?;
        let archive = sessions.clone().with([
            ("default_transaction_read_only", String::from("on")),
            ("statement_timeout", ARCHIVE_TIMEOUT.as_millis().to_string()),
        ]);
        let requests = sessions.clone().with([("statement_timeout", STATEMENT_TIMEOUT.as_millis().to_string())]);
        let (pool, archive) = (pool(requests, REQUEST_CONNECTIONS), pool(archive, POOL_CONNECTIONS));
        let store = PostgresStore { sessions, pool, archive, spare: Arc::default() };
        Ok((store, tables == Tables::Missing))
    }

    /// Opens further sessions, such as the journal's own.
    pub fn sessions(&self) -> &Sessions {
        &self.sessions
    }

    /// Returns the pool of short statements.
    pub fn pool(&self) -> &PgPool {
        &self.pool
    }
}

/// Makes a pool of up to `connections`, each checked before it is used.
fn pool(sessions: Sessions, connections: u32) -> PgPool {
    let options = sessions.options().clone();
    PgPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(Duration::from_secs(1))
        .after_connect(move |connection, _| {
            let sessions = sessions.clone();
            Box::pin(async move { sessions.apply(connection).await })
        })
        // sqlx's own check has no time limit of its own: one silent connection would use up each caller's timeout.
        .test_before_acquire(false)
        .before_acquire(|connection, _| {
            Box::pin(async move {
                // now() stands still inside a transaction. A connection that was left in one is dropped, since its
                // writes would never be committed.
                let check = sqlx::query_scalar("SELECT now() = statement_timestamp()").fetch_one(connection);
                let check = tokio::time::timeout(CHECK_TIMEOUT, check).await;
                // Returning an error closes the connection at once, without a Terminate message that may not get
                // through.
                check.map_err(|_| sqlx::Error::PoolTimedOut)?
            })
        })
        .connect_lazy_with(options)
}

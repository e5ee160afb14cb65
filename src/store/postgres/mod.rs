//! The store on PostgreSQL. The journal has a connection of its own; everything else shares a small pool.

mod archive;
mod checkpoint;
pub(super) mod connect;
mod housekeeping;
mod load;
mod registry;
mod tokens;

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use sqlx::Connection;
use sqlx::migrate::Migrator;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions};

use super::StoreError;

pub use checkpoint::CheckpointWriter;
pub use load::CheckpointReader;

static MIGRATIONS: Migrator = sqlx::migrate!("migrations/postgres");

/// How long the server works on a page of the archive, whose caller may not wait any more.
const ARCHIVE_TIMEOUT: Duration = Duration::from_secs(5);
/// How long the server works on any other statement of a request, or of housekeeping.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a pooled connection may take to show that it is fit for use. A silent one is closed instead of lent.
const CHECK_TIMEOUT: Duration = Duration::from_millis(500);

/// The store on a server.
#[derive(Clone, Debug)]
pub struct PostgresStore {
    options: PgConnectOptions,
    pool: PgPool,
    /// Apart from the others, so that a long page keeps nobody from a key.
    archive: PgPool,
    /// Connections on which checkpoints were written and others may be.
    spare: Arc<Mutex<Vec<PgConnection>>>,
}

impl PostgresStore {
    /// Opens the store. Its tables are brought up to date under the server's lock, which a server that starts has already.
    pub(super) async fn open(options: &PgConnectOptions, is_locked: bool) -> Result<(Self, bool), StoreError> {
        let (mut connection, options) = connect::first(options).await?;
        let known: Option<String> =
            sqlx::query_scalar("SELECT to_regclass('registry')::text").fetch_one(&mut connection).await?;
        if connect::is_outdated(&mut connection).await? {
            if !is_locked {
                connect::lock_for_migration(&mut connection).await?;
            }
            connect::migrate(&options).await?;
        }
        // A lock that was taken for the migration goes with the connection.
        connection.close().await?;
        let archive = options.clone().options([
            ("default_transaction_read_only", String::from("on")),
            ("statement_timeout", ARCHIVE_TIMEOUT.as_millis().to_string()),
        ]);
        let requests = options.clone().options([("statement_timeout", STATEMENT_TIMEOUT.as_millis().to_string())]);
        let (pool, archive) = (pool(requests), pool(archive));
        let store = PostgresStore { options, pool, archive, spare: Arc::default() };
        Ok((store, known.is_none()))
    }

    /// How to connect, for the journal.
    pub fn options(&self) -> &PgConnectOptions {
        &self.options
    }

    /// The connections that everything but the journal shares.
    pub fn pool(&self) -> &PgPool {
        &self.pool
    }
}

/// A few connections, each looked at before it is used.
fn pool(options: PgConnectOptions) -> PgPool {
    PgPoolOptions::new()
        .max_connections(4)
        .acquire_timeout(Duration::from_secs(1))
        // The library's own look has no time limit: one silent connection would use up every caller's wait.
        .test_before_acquire(false)
        .before_acquire(|connection, _| {
            Box::pin(async move {
                // In a transaction now() stands still. A connection that was left in one is dropped, since what is
                // written on it would vanish with it.
                let look = sqlx::query_scalar("SELECT now() = statement_timestamp()").fetch_one(connection);
                let look = tokio::time::timeout(CHECK_TIMEOUT, look).await;
                // An error closes the connection at once, without a farewell that may not arrive either.
                look.map_err(|_| sqlx::Error::PoolTimedOut)?
            })
        })
        .connect_lazy_with(options)
}

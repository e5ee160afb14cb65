//! The store on PostgreSQL. The journal has a connection of its own; everything else shares a small pool.

mod archive;
mod checkpoint;
mod registry;
mod tokens;

use std::time::Duration;

use sqlx::Connection;
use sqlx::migrate::Migrator;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions};

use super::StoreError;

static MIGRATIONS: Migrator = sqlx::migrate!("migrations/postgres");

/// How long the server works on a page that nobody may wait for any more.
const ARCHIVE_PATIENCE: Duration = Duration::from_secs(5);

/// The store on a server.
#[derive(Clone, Debug)]
pub struct PostgresStore {
    options: PgConnectOptions,
    pool: PgPool,
    /// Apart from the others, so that a long page keeps nobody from a key.
    archive: PgPool,
}

impl PostgresStore {
    pub(super) async fn open(options: &PgConnectOptions) -> Result<(Self, bool), StoreError> {
        let mut connection = PgConnection::connect_with(options).await?;
        let known: Option<String> =
            sqlx::query_scalar("SELECT to_regclass('registry')::text").fetch_one(&mut connection).await?;
        MIGRATIONS.run(&mut connection).await?;
        connection.close().await?;
        let archive = options.clone().options([
            ("default_transaction_read_only", String::from("on")),
            ("statement_timeout", ARCHIVE_PATIENCE.as_millis().to_string()),
        ]);
        let store = PostgresStore { options: options.clone(), pool: pool(options.clone()), archive: pool(archive) };
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
        .before_acquire(|connection, _| {
            Box::pin(async move {
                // In a transaction now() stands still. A connection that was left in one is dropped, since what is
                // written on it would vanish with it.
                let free: Result<bool, _> =
                    sqlx::query_scalar("SELECT now() = statement_timestamp()").fetch_one(connection).await;
                Ok(free.unwrap_or(false))
            })
        })
        .connect_lazy_with(options)
}

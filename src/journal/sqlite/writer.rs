//! The one connection that writes to an embedded store: the journal's, lent to whoever else must write.
//!
//! SQLite has one writer at a time. Sharing a connection in turn keeps the order fair; a second one would make the
//! acknowledgement path wait on a lock that is polled.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use sqlx::ConnectOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use tokio::sync::{Mutex, OwnedMutexGuard};

/// The writing connection, lent to one at a time.
#[derive(Clone, Debug)]
pub struct Writer {
    options: SqliteConnectOptions,
    connection: Arc<Mutex<Option<SqliteConnection>>>,
}

/// The writing connection, held. Unless it is given back, as after an error or when the holder was cancelled in the
/// middle of a transaction, it is closed, and the next holder gets a fresh one.
#[derive(Debug)]
pub struct Held {
    home: OwnedMutexGuard<Option<SqliteConnection>>,
    connection: SqliteConnection,
}

impl Writer {
    /// A writer for the file that `options` name.
    pub fn new(options: SqliteConnectOptions) -> Self {
        Writer { options, connection: Arc::default() }
    }

    /// Waits for the connection.
    pub async fn hold(&self) -> Result<Held, sqlx::Error> {
        let mut home = self.connection.clone().lock_owned().await;
        let connection = match home.take() {
            Some(connection) => connection,
            None => self.options.connect().await?,
        };
        Ok(Held { home, connection })
    }
}

impl Held {
    /// Gives the connection back, fit for the next holder.
    pub fn give_back(mut self) {
        *self.home = Some(self.connection);
    }
}

impl Deref for Held {
    type Target = SqliteConnection;
    fn deref(&self) -> &SqliteConnection {
        &self.connection
    }
}

impl DerefMut for Held {
    fn deref_mut(&mut self) -> &mut SqliteConnection {
        &mut self.connection
    }
}

//! The only connection that writes to an embedded store, shared by the journal and all other writers.
//!
//! SQLite allows one writer at a time. Waiting for a shared connection is fair, in order of arrival; with a second
//! connection, appends would wait on SQLite's lock, which is polled.

use std::ops::{Deref, DerefMut};
use std::path::Path;
use std::sync::Arc;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Connection};
use tokio::sync::{Mutex, OwnedMutexGuard};

/// The writing connection, held by one user at a time. A clone shares it.
#[derive(Clone, Debug)]
pub struct Writer {
    options: SqliteConnectOptions,
    /// `None` while it is held, before its first use, and after it was dropped.
    connection: Arc<Mutex<Option<SqliteConnection>>>,
}

/// Exclusive use of the writing connection. A connection that is dropped instead of given back, as after an error or
/// when its holder was cancelled inside a transaction, is closed, and the next holder opens a fresh one.
#[derive(Debug)]
pub struct WriterGuard {
    home: OwnedMutexGuard<Option<SqliteConnection>>,
    connection: SqliteConnection,
}

impl Writer {
    /// Makes a writer for the file in `options`. Connects on first use.
    pub fn new(options: SqliteConnectOptions) -> Self {
        Writer { options, connection: Arc::default() }
    }

    /// Returns the path of the file.
    pub fn file(&self) -> &Path {
        self.options.get_filename()
    }

    /// Waits for exclusive use of the connection, and opens one if there is none.
    pub async fn acquire(&self) -> Result<WriterGuard, sqlx::Error> {
        let mut home = self.connection.clone().lock_owned().await;
        // Taken out of its place: if the holder fails or is cancelled, it is dropped there, with its transaction.
        let connection = match home.take() {
            Some(connection) => connection,
            None => self.options.connect().await?,
        };
        Ok(WriterGuard { home, connection })
    }
}

impl WriterGuard {
    /// Gives the connection back for reuse. It must not be inside a transaction.
    pub fn release(mut self) {
        *self.home = Some(self.connection);
    }

    /// Closes the connection. The next holder opens a fresh one.
    pub async fn close(self) -> Result<(), sqlx::Error> {
        self.connection.close().await
    }
}

impl Deref for WriterGuard {
    type Target = SqliteConnection;
    fn deref(&self) -> &SqliteConnection {
        &self.connection
    }
}

impl DerefMut for WriterGuard {
    fn deref_mut(&mut self) -> &mut SqliteConnection {
        &mut self.connection
    }
}

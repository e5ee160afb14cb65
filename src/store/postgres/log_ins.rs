//! The table through which servers exchange how many log-ins were attempted at each
//! (docs/decisions/0127-log-ins-at-all-servers.md).

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;

use sqlx::postgres::PgRow;
use sqlx::{PgPool, Row};
use uuid::Uuid;

use crate::limits::throttle::LogInFrom;
use crate::store::{Store, StoreError};

/// The attempts to log in of the last seconds, at each server.
#[derive(Debug)]
pub struct LogInTable {
    pool: PgPool,
    /// This server's own id in the table.
    server: Uuid,
    /// The rows that were read and may be read again.
    read: HashSet<i64>,
}

impl Store {
    /// Returns the table of attempts to log in, for the server with this id; `None` for an embedded store.
    pub fn log_in_table(&self, server: Uuid) -> Option<LogInTable> {
        match self {
            Store::Sqlite(_) => None,
            Store::Postgres(store) => Some(LogInTable { pool: store.pool().clone(), server, read: HashSet::new() }),
        }
    }
}

impl LogInTable {
    /// Adds the attempts of this server, and returns those of others that were added since the last call, each row once.
    ///
    /// Rows are read for five seconds, since one that was added first may be committed later. A server that was not heard
    /// for longer has lost those of that time.
    pub async fn exchange(&mut self, own: &HashMap<LogInFrom, u32>) -> Result<Vec<(LogInFrom, u32)>, StoreError> {
        if !own.is_empty() {
            self.add(own).await?;
        }
        let rows = sqlx::query(
            "WITH old AS (
                 DELETE FROM log_in_attempt WHERE id IN (
                     SELECT id FROM log_in_attempt WHERE made < clock_timestamp() - interval '10 seconds'
                     FOR UPDATE SKIP LOCKED)
             )
             SELECT id, network, email, attempts FROM log_in_attempt
             WHERE made > clock_timestamp() - interval '5 seconds' AND server <> $1",
        )
        .bind(self.server)
        .fetch_all(&self.pool)
        .await?;
        let before = std::mem::take(&mut self.read);
        let mut new = Vec::new();
        for row in &rows {
            let id = row.try_get("id")?;
            if !before.contains(&id) {
                new.push(attempts(row)?);
            }
            self.read.insert(id);
        }
        Ok(new)
    }

    async fn add(&self, own: &HashMap<LogInFrom, u32>) -> Result<(), StoreError> {
        let networks: Vec<Vec<u8>> = own.keys().map(|from| bytes(from.network)).collect();
        let emails: Vec<Option<&[u8]>> = own.keys().map(|from| from.email.as_ref().map(<[u8; 32]>::as_slice)).collect();
        let attempts: Vec<i32> = own.values().map(|attempts| i32::try_from(*attempts).unwrap_or(i32::MAX)).collect();
        sqlx::query(
            "INSERT INTO log_in_attempt (server, network, email, attempts)
             SELECT $1, * FROM unnest($2::bytea[], $3::bytea[], $4::int[])",
        )
        .bind(self.server)
        .bind(networks)
        .bind(emails)
        .bind(attempts)
        .execute(&self.pool)
        .await?;
        Ok(())
    }
}

fn bytes(network: IpAddr) -> Vec<u8> {
    match network {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

fn attempts(row: &PgRow) -> Result<(LogInFrom, u32), StoreError> {
    let unreadable = || StoreError::Unreadable(String::from("a row of attempts to log in"));
    let (network, email): (&[u8], Option<&[u8]>) = (row.try_get("network")?, row.try_get("email")?);
    let network = match (<[u8; 4]>::try_from(network), <[u8; 16]>::try_from(network)) {
        (Ok(octets), _) => IpAddr::from(octets),
        (_, Ok(octets)) => IpAddr::from(octets),
        _ => return Err(unreadable()),
    };
    let email = email.map(<[u8; 32]>::try_from).transpose().map_err(|_| unreadable())?;
    let attempts: i32 = row.try_get("attempts")?;
    Ok((LogInFrom { network, email }, u32::try_from(attempts).map_err(|_| unreadable())?))
}

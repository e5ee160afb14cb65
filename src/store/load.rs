//! Reads all tenants' checkpoints. The number of connections and statements does not depend on the number of tenants.

use std::collections::HashMap;

use uuid::Uuid;

use super::{Store, StoreError, StoredCheckpoint, postgres, sqlite};
use crate::domain::TenantId;
use crate::live::{Row, RowKey};

/// Rows of one statement: enough that its round trip does not matter, and few enough to hold in memory.
pub(super) const PAGE_ROWS: i64 = 10_000;

/// Selects the tenants that have entries or a checkpoint and no position in the journal, and were not deleted. Both
/// backends run it as it is.
pub(super) const TENANTS_WITHOUT_HEAD: &str = "
    SELECT t.id FROM tenant t
    WHERE t.deleted IS NULL AND NOT EXISTS (SELECT 1 FROM head h WHERE h.tenant = t.id)
    AND (EXISTS (SELECT 1 FROM checkpoint c WHERE c.tenant = t.id)
         OR EXISTS (SELECT 1 FROM journal j WHERE j.tenant = t.id))";

/// A connection that reads checkpoints.
#[derive(Debug)]
pub enum CheckpointReader {
    /// Reads from a file.
    Sqlite(sqlite::CheckpointReader),
    /// Reads from a server.
    Postgres(postgres::CheckpointReader),
}

impl CheckpointReader {
    /// Reads the checkpoints of the tenants from `first` to `last`, both included, in the order of their ids.
    /// Unreadable rows are an error of their tenant alone; any other error is the store's.
    pub async fn read(
        &mut self,
        first: TenantId,
        last: TenantId,
    ) -> Result<Vec<(TenantId, Result<StoredCheckpoint, StoreError>)>, StoreError> {
        match self {
            CheckpointReader::Sqlite(reader) => reader.read(first, last).await,
            CheckpointReader::Postgres(reader) => reader.read(first, last).await,
        }
    }

    /// Ends the transaction and releases the connection.
    pub async fn close(self) -> Result<(), StoreError> {
        match self {
            CheckpointReader::Sqlite(reader) => reader.close().await,
            CheckpointReader::Postgres(reader) => reader.close().await,
        }
    }
}

impl Store {
    /// Opens up to `wanted` connections, at least one, that all read the checkpoints of the same instant.
    pub async fn checkpoint_readers(&self, wanted: usize) -> Result<Vec<CheckpointReader>, StoreError> {
        Ok(match self {
            Store::Sqlite(store) => {
                store.checkpoint_readers(wanted).await?.into_iter().map(CheckpointReader::Sqlite).collect()
            }
            Store::Postgres(store) => {
                store.checkpoint_readers(wanted).await?.into_iter().map(CheckpointReader::Postgres).collect()
            }
        })
    }

    /// Returns the tenants that have entries or a checkpoint and no position in the journal, which the store must have
    /// lost: an append writes both in one transaction.
    pub async fn tenants_without_head(&self) -> Result<Vec<TenantId>, StoreError> {
        match self {
            Store::Sqlite(store) => store.tenants_without_head().await,
            Store::Postgres(store) => store.tenants_without_head().await,
        }
    }

    /// Reads a tenant's current checkpoint. `None` if it has none.
    pub async fn load_checkpoint(&self, tenant: TenantId) -> Result<Option<StoredCheckpoint>, StoreError> {
        let Some(mut reader) = self.checkpoint_readers(1).await?.pop() else { return Ok(None) };
        let found = reader.read(tenant, tenant).await?.pop();
        reader.close().await?;
        found.map(|(_, loaded)| loaded).transpose()
    }
}

impl StoreError {
    /// Returns true if the store answered and only its stored content cannot be read.
    pub fn is_of_content(&self) -> bool {
        match self {
            StoreError::Unreadable(_) => true,
            StoreError::Sql(error) => StoreError::is_content(error),
            _ => false,
        }
    }

    /// Returns true if a statement failed because of stored content.
    pub fn is_content(error: &sqlx::Error) -> bool {
        match error {
            sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => true,
            sqlx::Error::Database(error) => {
                let code = error.code().unwrap_or_default();
                // PostgreSQL: XX (damaged pages) and 22 (data exceptions), in codes of five characters. SQLite: 11
                // (SQLITE_CORRUPT), in the lowest byte of an extended code.
                match code.len() {
                    5 => code.starts_with("XX") || code.starts_with("22"),
                    _ => code.parse::<u32>().is_ok_and(|code| code & 0xff == 11),
                }
            }
            _ => false,
        }
    }
}

/// Collects the rows of several tenants' checkpoints.
#[derive(Default)]
pub(super) struct CheckpointCollector {
    found: Vec<(TenantId, Result<StoredCheckpoint, StoreError>)>,
    /// Each tenant's index in `found`.
    places: HashMap<Uuid, usize>,
}

impl CheckpointCollector {
    /// Adds a checkpoint without its rows.
    pub fn add_mark(&mut self, tenant: Uuid, position: i64, batch: Option<Uuid>) {
        self.places.insert(tenant, self.found.len());
        self.found
            .push((TenantId(tenant), Ok(StoredCheckpoint { position: position as u64, batch, rows: Vec::new() })));
    }

    /// Adds a row to its tenant's checkpoint. Rows of a tenant without a checkpoint are ignored: they belong to none
    /// yet.
    pub fn add_row(&mut self, tenant: Uuid, kind: &str, key: &str, body: String) {
        let Some(place) = self.places.get(&tenant) else { return };
        let (_, found) = &mut self.found[*place];
        match (&mut *found, RowKey::parse(kind, key)) {
            (Ok(loaded), Some(key)) => loaded.rows.push(Row { key, body }),
            (Ok(_), None) => *found = Err(StoreError::Unreadable(format!("row {kind} {key}"))),
            (Err(_), _) => {}
        }
    }

    pub fn into_found(self) -> Vec<(TenantId, Result<StoredCheckpoint, StoreError>)> {
        self.found
    }
}

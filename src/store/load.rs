//! Reads checkpoints: those of all tenants in pages of many rows, and that of one tenant alone. For all of them the number
//! of connections and statements does not depend on the number of tenants.

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

/// A part of the tables with the rows of checkpoints. Together the parts have every row once.
#[derive(Debug)]
pub enum Part {
    /// Rows of a file, by tenant.
    Sqlite(sqlite::Part),
    /// Rows of a server, by their place in the table.
    Postgres(postgres::Part),
}

/// The mark of a tenant's checkpoint.
#[derive(Clone, Copy, Debug)]
pub struct CheckpointMark {
    /// The tenant.
    pub tenant: TenantId,
    /// The position of the last entry in the state.
    pub position: u64,
    /// The id of the batch that appended the entry at the position, if known.
    pub batch: Option<Uuid>,
}

/// Rows of checkpoints that were read together, of any tenants.
#[derive(Debug, Default)]
pub struct Page {
    /// Kind, key and body of each row, one after the other.
    text: String,
    rows: Vec<PlacedRow>,
}

/// The tenant of a row, and where the row's parts end in the text.
#[derive(Debug)]
struct PlacedRow {
    tenant: TenantId,
    ends: [usize; 3],
}

/// A row of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageRow<'a> {
    /// The row's tenant.
    pub tenant: TenantId,
    /// The kind, in its stored form.
    pub kind: &'a str,
    /// The key within the kind, in its stored form.
    pub key: &'a str,
    /// The object as JSON.
    pub body: &'a str,
}

impl Page {
    /// Adds a row.
    pub(super) fn push(&mut self, row: PageRow<'_>) {
        let ends = [row.kind, row.key, row.body].map(|part| {
            self.text.push_str(part);
            self.text.len()
        });
        self.rows.push(PlacedRow { tenant: row.tenant, ends });
    }

    /// The number of rows.
    pub(super) fn size(&self) -> usize {
        self.rows.len()
    }

    /// Iterates over the rows in the order in which they were read.
    pub fn rows(&self) -> impl Iterator<Item = PageRow<'_>> {
        let mut from = 0;
        self.rows.iter().map(move |PlacedRow { tenant, ends: [kind, key, body] }| {
            let start = std::mem::replace(&mut from, *body);
            let part = |from: usize, to: usize| &self.text[from..to];
            PageRow { tenant: *tenant, kind: part(start, *kind), key: part(*kind, *key), body: part(*key, *body) }
        })
    }
}

/// A reading of all checkpoints as of one instant.
#[derive(Debug)]
pub struct CheckpointReading {
    /// The marks of the checkpoints.
    pub marks: Vec<CheckpointMark>,
    /// The connections, at least one.
    pub readers: Vec<CheckpointReader>,
    /// The rows, in parts that any of the connections may read.
    pub parts: Vec<Part>,
}

/// A connection that reads checkpoints.
#[derive(Debug)]
pub enum CheckpointReader {
    /// Reads from a file.
    Sqlite(sqlite::CheckpointReader),
    /// Reads from a server.
    Postgres(postgres::CheckpointReader),
}

impl CheckpointReader {
    /// Reads a page of a part, and returns it with the rest of the part.
    pub async fn page(&mut self, part: Part) -> Result<(Page, Option<Part>), StoreError> {
        match (self, part) {
            (CheckpointReader::Sqlite(reader), Part::Sqlite(part)) => {
                let (page, rest) = reader.page(part).await?;
                Ok((page, rest.map(Part::Sqlite)))
            }
            (CheckpointReader::Postgres(reader), Part::Postgres(part)) => Ok((reader.page(part).await?, None)),
            // Parts are read by readers of the store that made them.
            _ => Ok((Page::default(), None)),
        }
    }

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
    /// Begins to read all checkpoints, over up to `wanted` connections if there is enough to read. `tenants` are those whose
    /// rows are needed, in ascending order; those of others may be among the rows.
    pub async fn read_checkpoints(&self, tenants: &[TenantId], wanted: usize) -> Result<CheckpointReading, StoreError> {
        Ok(match self {
            Store::Sqlite(store) => {
                let (marks, readers, parts) = store.read_checkpoints(tenants, wanted).await?;
                let readers = readers.into_iter().map(CheckpointReader::Sqlite).collect();
                CheckpointReading { marks, readers, parts: parts.into_iter().map(Part::Sqlite).collect() }
            }
            Store::Postgres(store) => {
                let (marks, readers, parts) = store.read_checkpoints(wanted).await?;
                let readers = readers.into_iter().map(CheckpointReader::Postgres).collect();
                CheckpointReading { marks, readers, parts: parts.into_iter().map(Part::Postgres).collect() }
            }
        })
    }

    /// Opens a connection that reads single checkpoints.
    pub async fn checkpoint_reader(&self) -> Result<CheckpointReader, StoreError> {
        Ok(match self {
            Store::Sqlite(store) => CheckpointReader::Sqlite(store.checkpoint_reader().await?),
            Store::Postgres(store) => CheckpointReader::Postgres(store.checkpoint_reader(None).await?),
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
        let mut reader = self.checkpoint_reader().await?;
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

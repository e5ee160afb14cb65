//! Writes checkpoints of the states: in slices, and current as a whole or not at all.

use std::collections::HashMap;

use uuid::Uuid;

use super::{Store, StoreError, postgres, sqlite};
use crate::domain::TenantId;
use crate::live::{Checkpoint, Row};

/// A checkpoint's identity.
#[derive(Clone, Copy, Debug)]
pub struct CheckpointId {
    /// The tenant of the state.
    pub tenant: TenantId,
    /// The position of the last entry in the state.
    pub position: u64,
    /// The version of the rules that produced the state.
    pub apply_version: u32,
    /// The id of the batch that appended the entry at the position, if known.
    pub batch: Option<Uuid>,
    /// The position up to which the writer has forgotten which rows were changed: another checkpoint had them. If the stored
    /// one is older than that, as after a restore, all rows are to be written.
    pub since: u64,
}

/// A stored checkpoint.
#[derive(Debug)]
pub struct StoredCheckpoint {
    /// The position of the last entry in the state.
    pub position: u64,
    /// The id of the batch that appended the entry at the position, if known.
    pub batch: Option<Uuid>,
    /// All rows of the state.
    pub rows: Vec<Row>,
}

/// A checkpoint being written. If it is dropped before its last slice, the previous checkpoint stays current.
#[derive(Debug)]
pub enum CheckpointWriter {
    /// Writes to a file, in transactions of a few milliseconds.
    Sqlite(Box<sqlite::CheckpointWriter>),
    /// Writes to a server, in one transaction on a connection of its own.
    Postgres(Box<postgres::CheckpointWriter>),
}

impl CheckpointWriter {
    /// Writes a slice. The last one makes the checkpoint current.
    pub async fn write(&mut self, slice: &Checkpoint, is_last: bool) -> Result<(), StoreError> {
        match self {
            CheckpointWriter::Sqlite(writer) => writer.write(slice, is_last).await,
            CheckpointWriter::Postgres(writer) => writer.write(slice, is_last).await,
        }
    }

    /// Moves some staged rows of a current checkpoint to their table, or deletes some of an abandoned one: the embedded
    /// store stages rows. On PostgreSQL it deletes some rows of an older checkpoint if all are to be written. Call it before
    /// the first slice and after the last, until it returns false.
    pub async fn tidy(&mut self) -> Result<bool, StoreError> {
        match self {
            CheckpointWriter::Sqlite(writer) => writer.tidy().await,
            CheckpointWriter::Postgres(writer) => writer.tidy().await,
        }
    }

    /// Returns true if all rows of the state are to be written, since the stored checkpoint is older than
    /// [`CheckpointId::since`].
    pub fn is_whole(&self) -> bool {
        match self {
            // Its one server has forgotten only what it stored itself.
            CheckpointWriter::Sqlite(_) => false,
            CheckpointWriter::Postgres(writer) => writer.is_whole(),
        }
    }
}

impl Store {
    /// Begins a checkpoint. `None` if one of the same or a newer position is stored already.
    ///
    /// [`StoreError::OtherHistory`] if the journal on PostgreSQL does not have the entry of the checkpoint's position, or has
    /// another one there. [`StoreError::OtherVersion`] if the tenant's entries are of another apply version.
    pub async fn begin_checkpoint(&self, mark: CheckpointId) -> Result<Option<CheckpointWriter>, StoreError> {
        Ok(match self {
            Store::Sqlite(store) => {
                store.begin_checkpoint(mark).await?.map(|writer| CheckpointWriter::Sqlite(Box::new(writer)))
            }
            Store::Postgres(store) => {
                store.begin_checkpoint(mark).await?.map(|writer| CheckpointWriter::Postgres(Box::new(writer)))
            }
        })
    }

    /// Returns true if checkpoints share the connection on which events are appended, so that each slice delays
    /// appends.
    pub fn shares_its_writer(&self) -> bool {
        matches!(self, Store::Sqlite(_))
    }

    /// Returns the positions of the stored checkpoints of these tenants, without those that have none.
    pub async fn checkpoint_positions(&self, tenants: &[TenantId]) -> Result<HashMap<TenantId, u64>, StoreError> {
        match self {
            Store::Sqlite(store) => store.checkpoint_positions(tenants).await,
            Store::Postgres(store) => store.checkpoint_positions(tenants).await,
        }
    }

    /// Writes a checkpoint that has every row changed since the stored one, in one transaction. Does nothing if one of the
    /// same or a newer position is stored.
    pub async fn write_checkpoint(
        &self,
        tenant: TenantId,
        apply_version: u32,
        checkpoint: &Checkpoint,
    ) -> Result<(), StoreError> {
        let Checkpoint { position, batch, .. } = *checkpoint;
        let mark = CheckpointId { tenant, position, apply_version, batch, since: 0 };
        let Some(mut writer) = self.begin_checkpoint(mark).await? else { return Ok(()) };
        while writer.tidy().await? {}
        writer.write(checkpoint, true).await
    }
}

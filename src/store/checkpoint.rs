//! Checkpoints: written in slices, current as a whole or not at all.

use uuid::Uuid;

use super::{Store, StoreError, postgres, sqlite};
use crate::domain::TenantId;
use crate::live::{Checkpoint, Row};

/// What a checkpoint describes.
#[derive(Clone, Copy, Debug)]
pub struct Mark {
    /// Whose state.
    pub tenant: TenantId,
    /// The position.
    pub position: u64,
    /// The rules by which the state came about.
    pub apply_version: u32,
    /// The id of the batch that appended the entry at the position, where it is known.
    pub batch: Option<Uuid>,
}

/// A stored checkpoint.
#[derive(Debug)]
pub struct Loaded {
    /// The position that the rows describe.
    pub position: u64,
    /// The id of the batch that appended the entry at the position, where it is known.
    pub batch: Option<Uuid>,
    /// The complete state.
    pub rows: Vec<Row>,
}

/// A checkpoint being written. Dropped before its last slice it leaves the one before in force.
#[derive(Debug)]
pub enum CheckpointWriter {
    /// To a file, in transactions of a few milliseconds.
    Sqlite(Box<sqlite::CheckpointWriter>),
    /// To a server, in one transaction on a connection of its own.
    Postgres(Box<postgres::CheckpointWriter>),
}

impl CheckpointWriter {
    /// Writes a slice. With the last one the checkpoint becomes current.
    pub async fn write(&mut self, slice: &Checkpoint, is_last: bool) -> Result<(), StoreError> {
        match self {
            CheckpointWriter::Sqlite(writer) => writer.write(slice, is_last).await,
            CheckpointWriter::Postgres(writer) => writer.write(slice, is_last).await,
        }
    }

    /// Does a slice of what the file needs before a checkpoint begins and after it is current: moves rows to where
    /// they belong, or deletes those of a checkpoint that was given up. False once nothing is left to do.
    pub async fn tidy(&mut self) -> Result<bool, StoreError> {
        match self {
            CheckpointWriter::Sqlite(writer) => writer.tidy().await,
            CheckpointWriter::Postgres(_) => Ok(false),
        }
    }
}

impl Store {
    /// Begins a checkpoint. `None` if one of that position or a newer one is stored already.
    pub async fn begin_checkpoint(&self, mark: Mark) -> Result<Option<CheckpointWriter>, StoreError> {
        Ok(match self {
            Store::Sqlite(store) => {
                store.begin_checkpoint(mark).await?.map(|writer| CheckpointWriter::Sqlite(Box::new(writer)))
            }
            Store::Postgres(store) => {
                store.begin_checkpoint(mark).await?.map(|writer| CheckpointWriter::Postgres(Box::new(writer)))
            }
        })
    }

    /// Whether checkpoints are written through the connection on which events are appended, so that each slice makes an
    /// append wait.
    pub fn shares_its_writer(&self) -> bool {
        matches!(self, Store::Sqlite(_))
    }

    /// Writes a whole checkpoint in one transaction. One for an older position than is stored changes nothing.
    pub async fn write_checkpoint(
        &self,
        tenant: TenantId,
        apply_version: u32,
        checkpoint: &Checkpoint,
    ) -> Result<(), StoreError> {
        let mark = Mark { tenant, position: checkpoint.position, apply_version, batch: None };
        let Some(mut writer) = self.begin_checkpoint(mark).await? else { return Ok(()) };
        while writer.tidy().await? {}
        writer.write(checkpoint, true).await
    }
}

//! Checkpoints in a SQLite file: transactions of a few milliseconds on the writing connection, between appends.
//!
//! A checkpoint that fits one slice is written to `state_row`. A larger one is staged in `state_row_next`, becomes
//! current with its last slice, and is then moved to `state_row`, in slices as well. Until then, readers take staged
//! rows in place of the rows of the same key.

use std::collections::HashMap;

use sqlx::sqlite::{Sqlite, SqliteConnection};
use sqlx::{Connection, Row as _, Transaction};

use super::{SqliteStore, archive, uuid};
use crate::domain::TenantId;
use crate::live::Checkpoint;
use crate::store::StoreError;
use crate::store::checkpoint::CheckpointId;

/// The most rows moved or deleted in one transaction.
const TIDY_ROWS: i64 = 500;
/// Bytes of rows after which such a transaction ends early.
const TIDY_BYTES: i64 = 512 * 1024;

/// A checkpoint being written to a SQLite file.
#[derive(Debug)]
pub struct CheckpointWriter {
    store: SqliteStore,
    mark: CheckpointId,
    /// True once a slice was written to `state_row_next`.
    is_staged: bool,
}

impl SqliteStore {
    pub(crate) async fn begin_checkpoint(&self, mark: CheckpointId) -> Result<Option<CheckpointWriter>, StoreError> {
        let mut writer = self.acquire().await?;
        let stored: Option<i64> = sqlx::query_scalar("SELECT position FROM checkpoint WHERE tenant = ?1")
            .bind(mark.tenant.to_string())
            .fetch_optional(&mut *writer)
            .await?;
        let other: Option<u32> =
            sqlx::query_scalar("SELECT apply_version FROM head WHERE tenant = ?1 AND seq > 0 AND apply_version <> ?2")
                .bind(mark.tenant.to_string())
                .bind(mark.apply_version)
                .fetch_optional(&mut *writer)
                .await?;
        writer.release();
        let is_newer = stored.is_none_or(|stored| stored < mark.position as i64);
        // Nothing raises the version meanwhile: that is done by a server, and this is the only one.
        if is_newer && other.is_some() {
            return Err(StoreError::OtherVersion(mark.apply_version));
        }
        Ok(is_newer.then(|| CheckpointWriter { store: self.clone(), mark, is_staged: false }))
    }

    pub(crate) async fn checkpoint_positions(
        &self,
        tenants: &[TenantId],
    ) -> Result<HashMap<TenantId, u64>, StoreError> {
        let rows: Vec<(String, i64)> =
            sqlx::query_as("SELECT tenant, position FROM checkpoint WHERE tenant IN (SELECT value FROM json_each(?1))")
                .bind(serde_json::to_string(tenants).unwrap_or_default())
                .fetch_all(self.reads())
                .await?;
        rows.into_iter().map(|(tenant, position)| Ok((TenantId(uuid(&tenant)?), position as u64))).collect()
    }
}

impl CheckpointWriter {
    /// Writes a slice. Its archived conversations are written to the archive at once, before the checkpoint is current.
    /// That is safe: the journal has the same content, and readers of an older position skip the rows.
    pub(crate) async fn write(&mut self, slice: &Checkpoint, is_last: bool) -> Result<(), StoreError> {
        let mut writer = self.store.acquire().await?;
        let mut writing = writer.begin_with("BEGIN IMMEDIATE").await?;
        self.reject_deleted(&mut writing).await?;
        let is_whole = is_last && !self.is_staged;
        // Looked at again: since `begin_checkpoint`, which keeps no lock, a newer checkpoint may have been written.
        let is_ours = !is_last || self.move_mark(&mut writing).await?;
        if is_ours {
            match is_whole {
                true => self.store_rows(&mut writing, slice).await?,
                false => self.stage_rows(&mut writing, slice).await?,
            }
            archive::write(&mut writing, &self.tenant(), slice).await?;
        }
        writing.commit().await?;
        writer.release();
        self.is_staged = !is_whole;
        Ok(())
    }

    /// Rejects the rows of a deleted tenant with [`StoreError::NoTenant`]: staged rows refer to no tenant, so that those
    /// written after its deletion would stay for good.
    async fn reject_deleted(&self, writing: &mut SqliteConnection) -> Result<(), StoreError> {
        let known = sqlx::query_scalar("SELECT 1 FROM tenant WHERE id = ?1 AND deleted IS NULL");
        let known: Option<i64> = known.bind(self.tenant()).fetch_optional(writing).await?;
        known.map(drop).ok_or(StoreError::NoTenant(self.mark.tenant))
    }

    /// Makes the checkpoint current. Returns false if one of the same or a newer position is stored.
    async fn move_mark(&self, writing: &mut SqliteConnection) -> Result<bool, StoreError> {
        let moved = sqlx::query(
            "INSERT INTO checkpoint (tenant, position, apply_version, batch, staged) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (tenant) DO UPDATE SET position = excluded.position, apply_version = excluded.apply_version,
                                                batch = excluded.batch, staged = excluded.staged
             WHERE excluded.position > checkpoint.position",
        )
        .bind(self.tenant())
        .bind(self.mark.position as i64)
        .bind(self.mark.apply_version)
        .bind(self.mark.batch.map(|id| id.to_string()))
        .bind(self.is_staged)
        .execute(writing)
        .await?;
        Ok(moved.rows_affected() == 1)
    }

    /// Writes the rows to `state_row`.
    async fn store_rows(&self, writing: &mut SqliteConnection, slice: &Checkpoint) -> Result<(), sqlx::Error> {
        let upserts: Vec<_> = slice.upserts.iter().map(|r| (r.key.kind(), r.key.key(), &r.body)).collect();
        let deletes: Vec<_> = slice.deletes.iter().map(|key| (key.kind(), key.key())).collect();
        sqlx::query(
            "INSERT INTO state_row (tenant, kind, key, body)
             SELECT ?1, value ->> 0, value ->> 1, value ->> 2 FROM json_each(?2) WHERE true
             ON CONFLICT (tenant, kind, key) DO UPDATE SET body = excluded.body",
        )
        .bind(self.tenant())
        .bind(serde_json::to_string(&upserts).unwrap_or_default())
        .execute(&mut *writing)
        .await?;
        sqlx::query(
            "DELETE FROM state_row WHERE tenant = ?1
             AND (kind, key) IN (SELECT value ->> 0, value ->> 1 FROM json_each(?2))",
        )
        .bind(self.tenant())
        .bind(serde_json::to_string(&deletes).unwrap_or_default())
        .execute(writing)
        .await?;
        Ok(())
    }

    /// Writes the rows to `state_row_next`; deletions have no body.
    async fn stage_rows(&self, writing: &mut SqliteConnection, slice: &Checkpoint) -> Result<(), sqlx::Error> {
        let upserts = slice.upserts.iter().map(|row| (row.key.kind(), row.key.key(), Some(&row.body)));
        let deletes = slice.deletes.iter().map(|key| (key.kind(), key.key(), None));
        let rows: Vec<_> = upserts.chain(deletes).collect();
        sqlx::query(
            "INSERT INTO state_row_next (tenant, kind, key, body)
             SELECT ?1, value ->> 0, value ->> 1, value ->> 2 FROM json_each(?2)",
        )
        .bind(self.tenant())
        .bind(serde_json::to_string(&rows).unwrap_or_default())
        .execute(writing)
        .await?;
        Ok(())
    }

    pub(crate) async fn tidy(&mut self) -> Result<bool, StoreError> {
        let mut writer = self.store.acquire().await?;
        let mut writing = writer.begin_with("BEGIN IMMEDIATE").await?;
        let is_left = self.tidy_slice(&mut writing).await?;
        writing.commit().await?;
        writer.release();
        Ok(is_left)
    }

    /// Moves or deletes the first staged rows of the tenant. Returns false if there are none.
    async fn tidy_slice(&self, writing: &mut Transaction<'_, Sqlite>) -> Result<bool, StoreError> {
        let tenant = self.tenant();
        let is_current: Option<bool> = sqlx::query_scalar("SELECT staged FROM checkpoint WHERE tenant = ?1")
            .bind(&tenant)
            .fetch_optional(&mut **writing)
            .await?;
        // Staged rows belong to the current checkpoint if it is marked so, and otherwise to one that was abandoned.
        let is_current = is_current.unwrap_or(false);
        let last = sqlx::query(
            "SELECT kind, key FROM (
                 SELECT kind, key, sum(size) OVER (ORDER BY kind, key) - size AS before
                 FROM (SELECT kind, key, coalesce(octet_length(body), 0) AS size FROM state_row_next
                       WHERE tenant = ?1 ORDER BY kind, key LIMIT ?2))
             WHERE before < ?3 ORDER BY kind DESC, key DESC LIMIT 1",
        )
        .bind(&tenant)
        .bind(TIDY_ROWS)
        .bind(TIDY_BYTES)
        .fetch_optional(&mut **writing)
        .await?;
        let Some(last) = last else {
            if is_current {
                sqlx::query("UPDATE checkpoint SET staged = 0 WHERE tenant = ?1")
                    .bind(&tenant)
                    .execute(&mut **writing)
                    .await?;
            }
            return Ok(false);
        };
        let (kind, key): (String, String) = (last.try_get(0)?, last.try_get(1)?);
        const MOVE: [&str; 2] = [
            "INSERT INTO state_row (tenant, kind, key, body)
             SELECT tenant, kind, key, body FROM state_row_next
             WHERE tenant = ?1 AND (kind, key) <= (?2, ?3) AND body IS NOT NULL
             ON CONFLICT (tenant, kind, key) DO UPDATE SET body = excluded.body",
            "DELETE FROM state_row WHERE (tenant, kind, key) IN
             (SELECT tenant, kind, key FROM state_row_next
              WHERE tenant = ?1 AND (kind, key) <= (?2, ?3) AND body IS NULL)",
        ];
        const DELETE: &str = "DELETE FROM state_row_next WHERE tenant = ?1 AND (kind, key) <= (?2, ?3)";
        let moves = MOVE.iter().filter(|_| is_current);
        for statement in moves.chain([&DELETE]) {
            sqlx::query(*statement).bind(&tenant).bind(&kind).bind(&key).execute(&mut **writing).await?;
        }
        Ok(true)
    }

    fn tenant(&self) -> String {
        self.mark.tenant.to_string()
    }
}

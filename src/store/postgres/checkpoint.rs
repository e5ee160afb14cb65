//! Checkpoints on PostgreSQL: one transaction of bounded statements, on a connection that nothing else uses.

use std::collections::HashMap;

use sqlx::{Connection, PgConnection};
use uuid::Uuid;

use super::{PostgresStore, archive};
use crate::domain::TenantId;
use crate::live::{Checkpoint, RowKey};
use crate::store::StoreError;
use crate::store::checkpoint::CheckpointId;

/// The server's time limit for a statement of a checkpoint, in milliseconds.
const STATEMENT_TIMEOUT: &str = "30000";
/// The longest wait for the lock of another writer of the same tenant's checkpoint, such as an abandoned one, in
/// milliseconds.
const LOCK_TIMEOUT: &str = "5000";

/// Rows of an older checkpoint that one statement deletes.
const DELETED_ROWS: i64 = 10_000;

/// A checkpoint being written to PostgreSQL. Its connection is in a transaction; dropping the writer rolls it back.
#[derive(Debug)]
pub struct CheckpointWriter {
    store: PostgresStore,
    mark: CheckpointId,
    /// Taken while a slice is written, so that a writer that was cancelled within a slice cannot write another.
    connection: Option<PgConnection>,
    /// True if all rows of the state are to be written.
    is_whole: bool,
}

/// Locks the tenant's checkpoint, and looks for the entry with which the new one ends, and for entries of another apply
/// version. The entry is looked for as of the statement's start, which may be before the lock was free: it was there then, if
/// no other writer was faster. So is the version: it is raised only at a stored checkpoint's position, beyond which no older
/// state is.
const LOCK: &str = "
SELECT position, $3::uuid IS NULL OR EXISTS (
    SELECT FROM journal WHERE tenant = $1 AND seq = $2 AND (batch = $3 OR batch IS NULL)
), NOT EXISTS (SELECT FROM head WHERE tenant = $1 AND seq > 0 AND apply_version <> $4)
FROM checkpoint WHERE tenant = $1 FOR UPDATE";

/// Locks the tenant's checkpoint, before anything else of it, so that two writers cannot deadlock. Returns its position; 0
/// if there was none: one without rows is made.
///
/// [`StoreError::OtherHistory`] unless the journal has the entry with which the new checkpoint ends, as far as its batch is
/// known: a state of a history that the store lost must not become the checkpoint of another one.
/// [`StoreError::OtherVersion`] if its entries are of another apply version.
async fn lock_stored(connection: &mut PgConnection, mark: CheckpointId) -> Result<u64, StoreError> {
    let version = mark.apply_version as i32;
    let lock = || sqlx::query_as(LOCK).bind(mark.tenant.0).bind(mark.position as i64).bind(mark.batch).bind(version);
    let found: Option<(i64, bool, bool)> = lock().fetch_optional(&mut *connection).await?;
    let (stored, is_there, is_of_version) = match found {
        Some(found) => found,
        None => {
            let made = "INSERT INTO checkpoint (tenant, position, apply_version) VALUES ($1, 0, $2)
                        ON CONFLICT DO NOTHING";
            sqlx::query(made).bind(mark.tenant.0).bind(version).execute(&mut *connection).await?;
            lock().fetch_one(connection).await?
        }
    };
    if (stored as u64) < mark.position && !is_of_version {
        return Err(StoreError::OtherVersion(mark.apply_version));
    }
    if (stored as u64) < mark.position && !is_there {
        return Err(StoreError::OtherHistory(mark.position));
    }
    Ok(stored as u64)
}

impl PostgresStore {
    pub(crate) async fn begin_checkpoint(&self, mark: CheckpointId) -> Result<Option<CheckpointWriter>, StoreError> {
        let mut connection = self.spare_connection().await?;
        // Not sqlx's transaction, which would borrow the connection: this one stays open between slices.
        sqlx::raw_sql("BEGIN").execute(&mut connection).await?;
        let stored = lock_stored(&mut connection, mark).await?;
        if stored >= mark.position {
            sqlx::raw_sql("ROLLBACK").execute(&mut connection).await?;
            self.spare(connection);
            return Ok(None);
        }
        sqlx::query(
            "INSERT INTO checkpoint (tenant, position, apply_version, batch) VALUES ($1, $2, $3, $4)
             ON CONFLICT (tenant) DO UPDATE SET position = excluded.position, apply_version = excluded.apply_version,
                                                batch = excluded.batch",
        )
        .bind(mark.tenant.0)
        .bind(mark.position as i64)
        .bind(mark.apply_version as i32)
        .bind(mark.batch)
        .execute(&mut connection)
        .await?;
        let is_whole = stored < mark.since;
        let writer = CheckpointWriter { store: self.clone(), mark, connection: Some(connection), is_whole };
        Ok(Some(writer))
    }

    pub(crate) async fn checkpoint_positions(
        &self,
        tenants: &[TenantId],
    ) -> Result<HashMap<TenantId, u64>, StoreError> {
        let tenants: Vec<Uuid> = tenants.iter().map(|tenant| tenant.0).collect();
        let positions = sqlx::query_as("SELECT tenant, position FROM checkpoint WHERE tenant = ANY ($1)");
        let positions: Vec<(Uuid, i64)> = positions.bind(tenants).fetch_all(&self.pool).await?;
        Ok(positions.into_iter().map(|(tenant, position)| (TenantId(tenant), position as u64)).collect())
    }

    /// Returns a spare connection that answers, or a new one.
    async fn spare_connection(&self) -> Result<PgConnection, StoreError> {
        let free = self.spare.lock().pop();
        if let Some(mut connection) = free
            && connection.ping().await.is_ok()
        {
            return Ok(connection);
        }
        let limits = [("statement_timeout", STATEMENT_TIMEOUT), ("lock_timeout", LOCK_TIMEOUT)];
        Ok(self.sessions.clone().with(limits).connect().await?)
    }

    /// Keeps a connection for the next checkpoint. It must not be inside a transaction.
    fn spare(&self, connection: PgConnection) {
        self.spare.lock().push(connection);
    }
}

impl CheckpointWriter {
    pub(crate) async fn write(&mut self, slice: &Checkpoint, is_last: bool) -> Result<(), StoreError> {
        // Missing after a slice that failed or was cancelled: the transaction ended with its connection.
        let mut writing = self.connection.take().ok_or(sqlx::Error::WorkerCrashed)?;
        self.write_rows(&mut writing, slice).await?;
        archive::write(&mut writing, self.mark.tenant, slice).await?;
        if is_last {
            sqlx::raw_sql("COMMIT").execute(&mut writing).await?;
            self.store.spare(writing);
        } else {
            self.connection = Some(writing);
        }
        Ok(())
    }

    pub(crate) fn is_whole(&self) -> bool {
        self.is_whole
    }

    /// Deletes some rows of the older checkpoint if all are to be written. Returns false if none are left.
    pub(crate) async fn tidy(&mut self) -> Result<bool, StoreError> {
        if !self.is_whole {
            return Ok(false);
        }
        // After the last slice there is no connection, and nothing to delete.
        let Some(mut writing) = self.connection.take() else { return Ok(false) };
        let deleted = sqlx::query(
            "DELETE FROM state_row WHERE ctid = ANY (ARRAY(SELECT ctid FROM state_row WHERE tenant = $1 LIMIT $2))",
        )
        .bind(self.mark.tenant.0)
        .bind(DELETED_ROWS)
        .execute(&mut writing)
        .await?;
        self.connection = Some(writing);
        Ok(deleted.rows_affected() > 0)
    }

    async fn write_rows(&self, writing: &mut PgConnection, slice: &Checkpoint) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO state_row (tenant, kind, key, body)
             SELECT $1, kind, key, body::json FROM unnest($2::text[], $3::text[], $4::text[]) AS t (kind, key, body)
             ON CONFLICT (tenant, kind, key) DO UPDATE SET body = excluded.body",
        )
        .bind(self.mark.tenant.0)
        .bind(slice.upserts.iter().map(|row| row.key.kind()).collect::<Vec<_>>())
        .bind(slice.upserts.iter().map(|row| row.key.key()).collect::<Vec<_>>())
        .bind(slice.upserts.iter().map(|row| row.body.as_str()).collect::<Vec<_>>())
        .execute(&mut *writing)
        .await?;
        if !slice.deletes.is_empty() {
            sqlx::query(
                "DELETE FROM state_row USING unnest($2::text[], $3::text[]) AS t (kind, key)
                 WHERE state_row.tenant = $1 AND state_row.kind = t.kind AND state_row.key = t.key",
            )
            .bind(self.mark.tenant.0)
            .bind(slice.deletes.iter().map(RowKey::kind).collect::<Vec<_>>())
            .bind(slice.deletes.iter().map(RowKey::key).collect::<Vec<_>>())
            .execute(writing)
            .await?;
        }
        Ok(())
    }
}

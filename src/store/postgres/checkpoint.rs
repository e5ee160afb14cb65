//! Checkpoints on PostgreSQL: one transaction of bounded statements, on a connection that nothing else uses.

use sqlx::{Connection, PgConnection};

use super::{PostgresStore, archive};
use crate::live::{Checkpoint, RowKey};
use crate::store::StoreError;
use crate::store::checkpoint::CheckpointId;

/// The server's time limit for a statement of a checkpoint, in milliseconds.
const STATEMENT_TIMEOUT: &str = "30000";
/// The longest wait for the lock of another writer of the same tenant's checkpoint, such as an abandoned one, in
/// milliseconds.
const LOCK_TIMEOUT: &str = "5000";

/// A checkpoint being written to PostgreSQL. Its connection is in a transaction; dropping the writer rolls it back.
#[derive(Debug)]
pub struct CheckpointWriter {
    store: PostgresStore,
    mark: CheckpointId,
    /// Taken while a slice is written, so that a writer that was cancelled within a slice cannot write another.
    connection: Option<PgConnection>,
}

impl PostgresStore {
    pub(crate) async fn begin_checkpoint(&self, mark: CheckpointId) -> Result<Option<CheckpointWriter>, StoreError> {
        let mut connection = self.spare_connection().await?;
        // Not sqlx's transaction, which would borrow the connection: this one stays open between slices.
        sqlx::raw_sql("BEGIN").execute(&mut connection).await?;
        // The tenant's row is locked before any other, so that two writers cannot deadlock.
        let moved = sqlx::query(
            "INSERT INTO checkpoint (tenant, position, apply_version, batch) VALUES ($1, $2, $3, $4)
             ON CONFLICT (tenant) DO UPDATE SET position = excluded.position, apply_version = excluded.apply_version,
                                                batch = excluded.batch
             WHERE excluded.position > checkpoint.position",
        )
        .bind(mark.tenant.0)
        .bind(mark.position as i64)
        .bind(mark.apply_version as i32)
        .bind(mark.batch)
        .execute(&mut connection)
        .await?;
        if moved.rows_affected() == 0 {
            sqlx::raw_sql("ROLLBACK").execute(&mut connection).await?;
            self.spare(connection);
            return Ok(None);
        }
        Ok(Some(CheckpointWriter { store: self.clone(), mark, connection: Some(connection) }))
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

    async fn write_rows(&self, writing: &mut PgConnection, slice: &Checkpoint) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO state_row (tenant, kind, key, body)
             SELECT $1, kind, key, body::jsonb FROM unnest($2::text[], $3::text[], $4::text[]) AS t (kind, key, body)
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

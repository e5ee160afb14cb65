//! Checkpoints on a server, and what may be forgotten once they are there.

use sqlx::{Connection, PgConnection, Row as _};

use super::{PostgresStore, archive};
use crate::domain::TenantId;
use crate::live::{Checkpoint, Row, RowKey};
use crate::store::{Expiry, Loaded, StoreError};

/// Rows forgotten in one statement.
const SLICE: i64 = 5_000;

impl PostgresStore {
    pub(crate) async fn load_checkpoint(&self, tenant: TenantId) -> Result<Option<Loaded>, StoreError> {
        let mut connection = PgConnection::connect_with(&self.options).await?;
        let mut reading = connection.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
        let position: Option<i64> = sqlx::query_scalar("SELECT position FROM checkpoint WHERE tenant = $1")
            .bind(tenant.0)
            .fetch_optional(&mut *reading)
            .await?;
        let Some(position) = position else { return Ok(None) };
        let stored = sqlx::query("SELECT kind, key, body::text AS body FROM state_row WHERE tenant = $1")
            .bind(tenant.0)
            .fetch_all(&mut *reading)
            .await?;
        let mut rows = Vec::with_capacity(stored.len());
        for row in &stored {
            let (kind, key): (&str, &str) = (row.try_get("kind")?, row.try_get("key")?);
            let key = RowKey::parse(kind, key).ok_or_else(|| StoreError::Unreadable(format!("row {kind} {key}")))?;
            rows.push(Row { key, body: row.try_get("body")? });
        }
        Ok(Some(Loaded { position: position as u64, rows }))
    }

    /// On a connection of its own, so that no cancelled caller can leave a pooled one in a transaction.
    pub(crate) async fn write_checkpoint(
        &self,
        tenant: TenantId,
        apply_version: u32,
        checkpoint: &Checkpoint,
    ) -> Result<(), StoreError> {
        let mut connection = PgConnection::connect_with(&self.options).await?;
        let mut writing = connection.begin().await?;
        let moved = sqlx::query(
            "INSERT INTO checkpoint (tenant, position, apply_version) VALUES ($1, $2, $3)
             ON CONFLICT (tenant) DO UPDATE SET position = excluded.position, apply_version = excluded.apply_version
             WHERE excluded.position > checkpoint.position",
        )
        .bind(tenant.0)
        .bind(checkpoint.position as i64)
        .bind(apply_version as i32)
        .execute(&mut *writing)
        .await?;
        if moved.rows_affected() == 1 {
            sqlx::query(
                "INSERT INTO state_row (tenant, kind, key, body)
                 SELECT $1, kind, key, body::jsonb FROM unnest($2::text[], $3::text[], $4::text[]) AS t (kind, key, body)
                 ON CONFLICT (tenant, kind, key) DO UPDATE SET body = excluded.body",
            )
            .bind(tenant.0)
            .bind(checkpoint.upserts.iter().map(|row| row.key.kind()).collect::<Vec<_>>())
            .bind(checkpoint.upserts.iter().map(|row| row.key.key()).collect::<Vec<_>>())
            .bind(checkpoint.upserts.iter().map(|row| row.body.as_str()).collect::<Vec<_>>())
            .execute(&mut *writing)
            .await?;
            sqlx::query(
                "DELETE FROM state_row USING unnest($2::text[], $3::text[]) AS t (kind, key)
                 WHERE state_row.tenant = $1 AND state_row.kind = t.kind AND state_row.key = t.key",
            )
            .bind(tenant.0)
            .bind(checkpoint.deletes.iter().map(RowKey::kind).collect::<Vec<_>>())
            .bind(checkpoint.deletes.iter().map(RowKey::key).collect::<Vec<_>>())
            .execute(&mut *writing)
            .await?;
            archive::write(&mut writing, tenant, checkpoint).await?;
        }
        writing.commit().await?;
        connection.close().await?;
        Ok(())
    }

    pub(crate) async fn forget(&self, expiry: Expiry) -> Result<u64, StoreError> {
        let seen = sqlx::query(
            "DELETE FROM seen WHERE ctid = ANY (ARRAY(SELECT ctid FROM seen WHERE recorded < $1 LIMIT $2))",
        )
        .bind(expiry.seen.micros())
        .bind(SLICE)
        .execute(&self.pool)
        .await?;
        let entries = sqlx::query(
            // Positions are contiguous, so the oldest few are found without reading the rest.
            "DELETE FROM journal USING checkpoint c
             WHERE journal.tenant = c.tenant AND journal.seq <= c.position
               AND journal.seq < (SELECT min(seq) + $2 FROM journal WHERE tenant = c.tenant)
               AND journal.recorded < $1",
        )
        .bind(expiry.journal.micros())
        .bind(SLICE)
        .execute(&self.pool)
        .await?;
        let tokens = sqlx::query(
            "DELETE FROM token WHERE hash = ANY (ARRAY(SELECT hash FROM token WHERE expires < $1 LIMIT $2))",
        )
        .bind(expiry.tokens.micros())
        .bind(SLICE)
        .execute(&self.pool)
        .await?;
        let conversations = archive::forget(&self.pool, expiry.conversations.micros(), SLICE).await?;
        Ok(seen.rows_affected() + entries.rows_affected() + tokens.rows_affected() + conversations)
    }
}

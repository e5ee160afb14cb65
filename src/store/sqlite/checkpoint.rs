//! Checkpoints in a file, and what may be forgotten once they are there.

use sqlx::{Connection, Row as _};

use super::{SqliteStore, archive};
use crate::domain::TenantId;
use crate::live::{Checkpoint, Row, RowKey};
use crate::store::{Expiry, Loaded, StoreError};

/// Rows forgotten in one transaction: few enough that an append does not wait for long.
const SLICE: u32 = 5_000;

impl SqliteStore {
    pub(crate) async fn load_checkpoint(&self, tenant: TenantId) -> Result<Option<Loaded>, StoreError> {
        let mut reading = self.reads.acquire().await?;
        let mut reading = reading.begin().await?;
        let position: Option<i64> = sqlx::query_scalar("SELECT position FROM checkpoint WHERE tenant = ?1")
            .bind(tenant.to_string())
            .fetch_optional(&mut *reading)
            .await?;
        let Some(position) = position else { return Ok(None) };
        let stored = sqlx::query("SELECT kind, key, body FROM state_row WHERE tenant = ?1")
            .bind(tenant.to_string())
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

    pub(crate) async fn write_checkpoint(
        &self,
        tenant: TenantId,
        apply_version: u32,
        checkpoint: &Checkpoint,
    ) -> Result<(), StoreError> {
        let upserts: Vec<_> = checkpoint.upserts.iter().map(|r| (r.key.kind(), r.key.key(), &r.body)).collect();
        let deletes: Vec<_> = checkpoint.deletes.iter().map(|key| (key.kind(), key.key())).collect();
        let tenant = tenant.to_string();
        let mut held = self.hold().await?;
        let mut writing = held.begin_with("BEGIN IMMEDIATE").await?;
        let moved = sqlx::query(
            "INSERT INTO checkpoint (tenant, position, apply_version) VALUES (?1, ?2, ?3)
             ON CONFLICT (tenant) DO UPDATE SET position = excluded.position, apply_version = excluded.apply_version
             WHERE excluded.position > checkpoint.position",
        )
        .bind(&tenant)
        .bind(checkpoint.position as i64)
        .bind(apply_version)
        .execute(&mut *writing)
        .await?;
        if moved.rows_affected() == 1 {
            sqlx::query(
                "INSERT INTO state_row (tenant, kind, key, body)
                 SELECT ?1, value ->> 0, value ->> 1, value ->> 2 FROM json_each(?2) WHERE true
                 ON CONFLICT (tenant, kind, key) DO UPDATE SET body = excluded.body",
            )
            .bind(&tenant)
            .bind(serde_json::to_string(&upserts).unwrap_or_default())
            .execute(&mut *writing)
            .await?;
            sqlx::query(
                "DELETE FROM state_row WHERE tenant = ?1
                 AND (kind, key) IN (SELECT value ->> 0, value ->> 1 FROM json_each(?2))",
            )
            .bind(&tenant)
            .bind(serde_json::to_string(&deletes).unwrap_or_default())
            .execute(&mut *writing)
            .await?;
            archive::write(&mut writing, &tenant, checkpoint).await?;
        }
        writing.commit().await?;
        held.give_back();
        Ok(())
    }

    pub(crate) async fn forget(&self, expiry: Expiry) -> Result<u64, StoreError> {
        let mut held = self.hold().await?;
        let seen = sqlx::query(
            "DELETE FROM seen WHERE (tenant, source, event_id) IN
             (SELECT tenant, source, event_id FROM seen WHERE recorded < ?1 LIMIT ?2)",
        )
        .bind(expiry.seen.micros())
        .bind(SLICE)
        .execute(&mut *held)
        .await?;
        let entries = sqlx::query(
            // Positions are contiguous, so the oldest few are found without reading the rest.
            "DELETE FROM journal WHERE (tenant, seq) IN
             (SELECT j.tenant, j.seq FROM checkpoint c
              JOIN journal j ON j.tenant = c.tenant AND j.seq <= c.position
                            AND j.seq < (SELECT min(seq) + ?2 FROM journal WHERE tenant = c.tenant)
              WHERE j.recorded < ?1)",
        )
        .bind(expiry.journal.micros())
        .bind(SLICE)
        .execute(&mut *held)
        .await?;
        let tokens =
            sqlx::query("DELETE FROM token WHERE hash IN (SELECT hash FROM token WHERE expires < ?1 LIMIT ?2)")
                .bind(expiry.tokens.micros())
                .bind(SLICE)
                .execute(&mut *held)
                .await?;
        let conversations = archive::forget(&mut held, expiry.conversations.micros(), SLICE).await?;
        held.give_back();
        Ok(seen.rows_affected() + entries.rows_affected() + tokens.rows_affected() + conversations)
    }
}

//! Housekeeping in a SQLite file: statements of a few rows on the writing connection, between appends.

use sqlx::Row as _;

use super::{SqliteStore, uuid};
use crate::domain::conversation::millis;
use crate::domain::{TenantId, Time};
use crate::store::StoreError;
use crate::store::housekeeping::Chore;

impl SqliteStore {
    /// Returns the tenants with journal entries that were recorded before a time and that a checkpoint covers.
    pub(crate) async fn overlong_journals(&self, before: Time) -> Result<Vec<TenantId>, StoreError> {
        // Recorded times ascend with positions, so looking at the oldest entry is enough.
        let rows = sqlx::query(
            "SELECT c.tenant FROM checkpoint c
             WHERE (SELECT recorded FROM journal j WHERE j.tenant = c.tenant AND j.seq <= c.position
                    ORDER BY seq LIMIT 1) < ?1",
        )
        .bind(before.micros())
        .fetch_all(&self.reads)
        .await?;
        rows.iter().map(|row| Ok(TenantId(uuid(row.try_get(0)?)?))).collect()
    }

    /// Returns the tenants with a limited retention of closed conversations, and the retention in days.
    pub(crate) async fn archive_days(&self) -> Result<Vec<(TenantId, i32)>, StoreError> {
        let rows = sqlx::query("SELECT id, conversation_days FROM tenant WHERE conversation_days IS NOT NULL")
            .fetch_all(&self.reads)
            .await?;
        rows.iter().map(|row| Ok((TenantId(uuid(row.try_get(0)?)?), row.try_get(1)?))).collect()
    }

    pub(crate) async fn forget(&self, chore: Chore, limit: u32) -> Result<u64, StoreError> {
        let deletion = match chore {
            Chore::Deleted(tenant) => return self.delete_rows(tenant, limit).await,
            // They are in memory here.
            Chore::Tickets(_) => return Ok(0),
            Chore::Seen(before) => sqlx::query(
                "DELETE FROM seen WHERE (tenant, source, event_id) IN
                 (SELECT tenant, source, event_id FROM seen WHERE recorded < ?1 LIMIT ?2)",
            )
            .bind(before.micros()),
            Chore::Tokens(before) => {
                sqlx::query("DELETE FROM token WHERE hash IN (SELECT hash FROM token WHERE expires < ?1 LIMIT ?2)")
                    .bind(before.micros())
            }
            // Positions are contiguous, so the oldest rows are a range of positions, found without a scan.
            Chore::Journal(_, before) => sqlx::query(
                "DELETE FROM journal WHERE tenant = ?3 AND recorded < ?1
                 AND seq < (SELECT min(seq) + ?2 FROM journal WHERE tenant = ?3)
                 AND seq <= (SELECT position FROM checkpoint WHERE tenant = ?3)",
            )
            .bind(before.micros()),
            Chore::Archive(_, before) => sqlx::query(
                "DELETE FROM archive WHERE rowid IN
                 (SELECT rowid FROM archive WHERE tenant = ?3 AND closed_ms < ?1 ORDER BY closed_ms LIMIT ?2)",
            )
            .bind(millis(before)),
        };
        let deletion = deletion.bind(limit);
        let deletion = match chore {
            Chore::Journal(tenant, _) | Chore::Archive(tenant, _) => deletion.bind(tenant.to_string()),
            Chore::Seen(_) | Chore::Tokens(_) | Chore::Tickets(_) | Chore::Deleted(_) => deletion,
        };
        let mut writer = self.acquire().await?;
        let deleted = deletion.execute(&mut *writer).await?;
        writer.release();
        Ok(deleted.rows_affected())
    }
}

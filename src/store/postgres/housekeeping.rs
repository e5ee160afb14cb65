//! Housekeeping on PostgreSQL: statements of a few rows, each a transaction of its own.

use uuid::Uuid;

use super::PostgresStore;
use crate::domain::conversation::millis;
use crate::domain::{TenantId, Time};
use crate::store::StoreError;
use crate::store::housekeeping::Chore;

impl PostgresStore {
    /// Returns the tenants with journal entries that were recorded before a time and that a checkpoint covers.
    pub(crate) async fn overlong_journals(&self, before: Time) -> Result<Vec<TenantId>, StoreError> {
        // Recorded times ascend with positions, so looking at the oldest entry is enough.
        let tenants: Vec<Uuid> = sqlx::query_scalar(
            "SELECT c.tenant FROM checkpoint c CROSS JOIN LATERAL (
                 SELECT recorded FROM journal j WHERE j.tenant = c.tenant AND j.seq <= c.position
                 ORDER BY seq LIMIT 1) AS oldest
             WHERE oldest.recorded < $1",
        )
        .bind(before.micros())
        .fetch_all(&self.pool)
        .await?;
        Ok(tenants.into_iter().map(TenantId).collect())
    }

    /// Returns the tenants with a limited retention of closed conversations, and the retention in days.
    pub(crate) async fn archive_days(&self) -> Result<Vec<(TenantId, i32)>, StoreError> {
        let rows: Vec<(Uuid, i32)> =
            sqlx::query_as("SELECT id, conversation_days FROM tenant WHERE conversation_days IS NOT NULL")
                .fetch_all(&self.pool)
                .await?;
        Ok(rows.into_iter().map(|(tenant, days)| (TenantId(tenant), days)).collect())
    }

    pub(crate) async fn forget(&self, chore: Chore, limit: u32) -> Result<u64, StoreError> {
        let deletion = match chore {
            Chore::Deleted(tenant) => return self.delete_rows(tenant, limit).await,
            // By row address, which needs no second search. A row that was rewritten meanwhile is left for the next
            // pass.
            Chore::Seen(before) => sqlx::query(
                "DELETE FROM seen WHERE ctid = ANY (ARRAY(SELECT ctid FROM seen WHERE recorded < $1 LIMIT $2))",
            )
            .bind(before.micros()),
            Chore::Tokens(before) => sqlx::query(
                "DELETE FROM token WHERE hash = ANY (ARRAY(SELECT hash FROM token WHERE expires < $1 LIMIT $2))",
            )
            .bind(before.micros()),
            Chore::Tickets(before) => sqlx::query(
                "DELETE FROM ticket WHERE hash = ANY (ARRAY(SELECT hash FROM ticket WHERE expires < $1 LIMIT $2))",
            )
            .bind(before.micros()),
            // Positions are contiguous, so the oldest rows are a range of positions, found without a scan.
            Chore::Journal(_, before) => sqlx::query(
                "DELETE FROM journal WHERE tenant = $3 AND recorded < $1
                 AND seq < (SELECT min(seq) + $2 FROM journal WHERE tenant = $3)
                 AND seq <= (SELECT position FROM checkpoint WHERE tenant = $3)",
            )
            .bind(before.micros()),
            Chore::Archive(_, before) => sqlx::query(
                "DELETE FROM archive WHERE ctid = ANY (ARRAY(
                    SELECT ctid FROM archive WHERE tenant = $3 AND closed_ms < $1 ORDER BY closed_ms LIMIT $2))",
            )
            .bind(millis(before)),
        };
        let deletion = deletion.bind(i64::from(limit));
        let deletion = match chore {
            Chore::Journal(tenant, _) | Chore::Archive(tenant, _) => deletion.bind(tenant.0),
            Chore::Seen(_) | Chore::Tokens(_) | Chore::Tickets(_) | Chore::Deleted(_) => deletion,
        };
        Ok(deletion.execute(&self.pool).await?.rows_affected())
    }
}

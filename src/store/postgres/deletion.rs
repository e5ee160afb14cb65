//! Deletes tenants on PostgreSQL: statements of a few rows, each a transaction of its own.

use uuid::Uuid;

use super::PostgresStore;
use super::registry::noting;
use crate::domain::{TenantId, Time};
use crate::store::StoreError;
use crate::store::deletion::Step;

/// Bytes of rows, as stored, after which a slice ends.
const SLICE_BYTES: i64 = 4 * 1024 * 1024;

/// Makes a step that deletes the first rows in the order of `$order`, by their addresses, which needs no second search.
/// A row that is rewritten meanwhile is left for the next slice. `$size` is the size of a row in bytes.
macro_rules! slice {
    ($table:literal, $order:literal, $size:literal) => {
        Step::slice(
            $table,
            concat!(
                "DELETE FROM ",
                $table,
                " WHERE ctid = ANY (ARRAY(
                     SELECT place FROM (
                         SELECT place, sum(size) OVER (ORDER BY ",
                $order,
                ") - size AS before
                         FROM (SELECT ctid AS place, ",
                $order,
                ", ",
                $size,
                "::bigint AS size FROM ",
                $table,
                "
                               WHERE tenant = $1 ORDER BY ",
                $order,
                " LIMIT $2) AS page) AS sized
                     WHERE before < $3))"
            ),
        )
    };
}

/// The steps in their order. Rows that refer to others come before those: tokens before keys, and the tenant last.
const STEPS: [Step; 14] = [
    slice!("journal", "seq", "pg_column_size(event)"),
    slice!("seen", "key", "100"),
    slice!("archive", "id", "pg_column_size(body)"),
    // A conversation's tags are deleted with it, by a trigger; no other statement deletes those left by an accident.
    slice!("archive_tag", "kind, value, closed_ms, id", "200"),
    slice!("state_row", "kind, key", "pg_column_size(body)"),
    slice!("heartbeat", "user_id, session", "100"),
    slice!("token", "hash", "200"),
    slice!("ticket", "hash", "200"),
    // While the keys are there, since a change names a key without its tenant. A change that names nothing makes servers
    // that do not have it read the whole registry.
    Step::whole(
        "registry_change",
        "UPDATE registry_change SET key = NULL FROM api_key
         WHERE api_key.id = registry_change.key AND api_key.tenant = $1",
    ),
    slice!("api_key", "created, id", "200"),
    Step::whole("checkpoint", "DELETE FROM checkpoint WHERE tenant = $1"),
    // Deleted with the tenant's mark already: its absence is what rejects appends.
    Step::whole("head", "DELETE FROM head WHERE tenant = $1"),
    Step::whole("registry_change", "UPDATE registry_change SET tenant = NULL WHERE tenant = $1"),
    // Fails if a row was added to a table after it was found empty, which the next call deletes.
    Step::whole("tenant", "DELETE FROM tenant WHERE id = $1 AND deleted IS NOT NULL"),
];

impl PostgresStore {
    pub(in crate::store) const fn deletion_steps(&self) -> &'static [Step] {
        &STEPS
    }

    pub(crate) async fn delete_tenant(&self, tenant: TenantId, now: Time) -> Result<bool, StoreError> {
        // The head is deleted by the parameter, not by what was marked: a row that another session changed meanwhile is
        // looked at again, and must still be found. An unknown or deleted tenant has none.
        let deleted = sqlx::query(noting!(
            "tenant",
            "WITH made AS (
                 UPDATE tenant SET deleted = $2, name = '', conversation_text = false, conversation_days = NULL,
                                   iadvize_secret = NULL, desk_lease_seconds = NULL, desk_heartbeat_seconds = NULL
                 WHERE id = $1 AND deleted IS NULL RETURNING id
             ), headed AS (
                 DELETE FROM head WHERE tenant = $1
             )",
        ))
        .bind(tenant.0)
        .bind(now.micros())
        .fetch_optional(&self.pool)
        .await?;
        Ok(deleted.is_some())
    }

    pub(crate) async fn deleted_tenants(&self) -> Result<Vec<TenantId>, StoreError> {
        let ids: Vec<Uuid> = sqlx::query_scalar("SELECT id FROM tenant WHERE deleted IS NOT NULL ORDER BY id")
            .fetch_all(&self.pool)
            .await?;
        Ok(ids.into_iter().map(TenantId).collect())
    }

    /// Deletes up to `limit` rows of a deleted tenant, all of one table. Returns their number: 0 if none are left. Does
    /// nothing to a tenant that exists.
    pub(super) async fn delete_rows(&self, tenant: TenantId, limit: u32) -> Result<u64, StoreError> {
        let mut deleting = self.pool.acquire().await?;
        let is_deleted: Option<bool> = sqlx::query_scalar("SELECT deleted IS NOT NULL FROM tenant WHERE id = $1")
            .bind(tenant.0)
            .fetch_optional(&mut *deleting)
            .await?;
        let steps = if is_deleted == Some(true) { &STEPS[..] } else { &[] };
        for step in steps {
            let statement = sqlx::query(step.sql).bind(tenant.0);
            let statement = if step.is_slice { statement.bind(i64::from(limit)).bind(SLICE_BYTES) } else { statement };
            let rows = statement.execute(&mut *deleting).await?.rows_affected();
            if rows > 0 {
                return Ok(rows);
            }
        }
        Ok(0)
    }
}

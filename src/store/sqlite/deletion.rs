//! Deletes tenants in a SQLite file: transactions of a few rows on the writing connection, between appends.

use sqlx::{Connection, Row as _};

use super::registry::{Subject, note};
use super::{SqliteStore, uuid};
use crate::domain::{TenantId, Time};
use crate::store::StoreError;
use crate::store::deletion::Step;

/// Bytes of rows after which a slice ends.
const SLICE_BYTES: i64 = 512 * 1024;

/// Marks a file in which copies of rows of deleted tenants may be left; see [`SqliteStore::rewrite`]. As the file's
/// `user_version`, which nothing else uses, the mark is part of the transaction that ends a deletion.
const MARK: &str = "PRAGMA user_version = 1";
/// Removes [`MARK`].
const UNMARK: &str = "PRAGMA user_version = 0";

/// Makes a step that deletes the first rows in the order of `$order`, which identifies them within the tenant and which
/// an index has. `$size` is the size of a row in bytes, which is read without the row's overflow pages.
macro_rules! slice {
    ($table:literal, $order:literal, $size:literal) => {
        Step::slice(
            $table,
            concat!(
                "DELETE FROM ",
                $table,
                " WHERE tenant = ?1 AND (",
                $order,
                ") IN (
                     SELECT ",
                $order,
                " FROM (
                         SELECT ",
                $order,
                ", sum(size) OVER (ORDER BY ",
                $order,
                ") - size AS before
                         FROM (SELECT ",
                $order,
                ", ",
                $size,
                " AS size FROM ",
                $table,
                " WHERE tenant = ?1
                               ORDER BY ",
                $order,
                " LIMIT ?2))
                     WHERE before < ?3)"
            ),
        )
    };
}

/// The steps in their order. Rows that refer to others come before those: tokens before keys, and the tenant last.
const STEPS: [Step; 14] = [
    slice!("journal", "seq", "octet_length(event)"),
    slice!("seen", "source, event_id", "200"),
    slice!("archive", "id", "octet_length(body)"),
    // A conversation's tags are deleted with it, by a trigger; no other statement deletes those left by an accident.
    slice!("archive_tag", "kind, value, closed_ms, id", "200"),
    slice!("state_row", "kind, key", "octet_length(body)"),
    slice!("state_row_next", "kind, key", "coalesce(octet_length(body), 0)"),
    slice!("token", "hash", "200"),
    slice!("wallboard_link", "hash", "200"),
    // While the keys are there, since a change names a key without its tenant. A change that names nothing makes servers
    // that do not have it read the whole registry.
    Step::whole(
        "registry_change",
        "UPDATE registry_change SET key = NULL WHERE EXISTS (
             SELECT 1 FROM api_key WHERE api_key.id = registry_change.key AND api_key.tenant = ?1)",
    ),
    slice!("api_key", "created, id", "200"),
    Step::whole("checkpoint", "DELETE FROM checkpoint WHERE tenant = ?1"),
    // Deleted with the tenant's mark already: its absence is what rejects appends.
    Step::whole("head", "DELETE FROM head WHERE tenant = ?1"),
    Step::whole("registry_change", "UPDATE registry_change SET tenant = NULL WHERE tenant = ?1"),
    Step::whole("tenant", "DELETE FROM tenant WHERE id = ?1 AND deleted IS NOT NULL"),
];

impl SqliteStore {
    pub(in crate::store) const fn deletion_steps(&self) -> &'static [Step] {
        &STEPS
    }

    pub(crate) async fn delete_tenant(&self, tenant: TenantId, now: Time) -> Result<bool, StoreError> {
        let mut writer = self.acquire().await?;
        let mut writing = writer.begin_with("BEGIN IMMEDIATE").await?;
        // The name must be unique: random digits, more of them than the name of a tenant may have bytes.
        let deleted = sqlx::query(
            "UPDATE tenant SET deleted = ?2, name = hex(randomblob(129)), conversation_text = 0,
                               conversation_days = NULL, iadvize_secret = NULL, desk_lease_seconds = NULL,
                               desk_heartbeat_seconds = NULL
             WHERE id = ?1 AND deleted IS NULL",
        )
        .bind(tenant.to_string())
        .bind(now.micros())
        .execute(&mut *writing)
        .await?;
        let is_deleted = deleted.rows_affected() == 1;
        if is_deleted {
            sqlx::query("DELETE FROM head WHERE tenant = ?1").bind(tenant.to_string()).execute(&mut *writing).await?;
            note(&mut writing, Subject::Tenant(tenant)).await?;
        }
        writing.commit().await?;
        writer.release();
        Ok(is_deleted)
    }

    pub(crate) async fn deleted_tenants(&self) -> Result<Vec<TenantId>, StoreError> {
        let rows =
            sqlx::query("SELECT id FROM tenant WHERE deleted IS NOT NULL ORDER BY id").fetch_all(&self.reads).await?;
        rows.iter().map(|row| Ok(TenantId(uuid(row.try_get(0)?)?))).collect()
    }

    /// Deletes up to `limit` rows of a deleted tenant, all of one table. Returns their number: 0 if none are left. Does
    /// nothing to a tenant that exists.
    pub(super) async fn delete_rows(&self, tenant: TenantId, limit: u32) -> Result<u64, StoreError> {
        let mut writer = self.acquire().await?;
        // One transaction, so that no row can be added to a table that was found empty before the tenant's row is
        // deleted.
        let mut writing = writer.begin_with("BEGIN IMMEDIATE").await?;
        let mut rows = 0;
        let is_deleted: Option<bool> = sqlx::query_scalar("SELECT deleted IS NOT NULL FROM tenant WHERE id = ?1")
            .bind(tenant.to_string())
            .fetch_optional(&mut *writing)
            .await?;
        let steps = if is_deleted == Some(true) { &STEPS[..] } else { &[] };
        for step in steps {
            let statement = sqlx::query(step.sql).bind(tenant.to_string());
            let statement = if step.is_slice { statement.bind(limit).bind(SLICE_BYTES) } else { statement };
            rows = statement.execute(&mut *writing).await?.rows_affected();
            if rows > 0 {
                if step.table == "tenant" {
                    sqlx::raw_sql(MARK).execute(&mut *writing).await?;
                }
                break;
            }
        }
        writing.commit().await?;
        writer.release();
        Ok(rows)
    }

    /// Rewrites the file if a deletion was completed since the last time. Deleted rows are overwritten, but SQLite
    /// leaves a copy of a row now and then, in the unused part of a page after it moved the rows. Takes time and room on
    /// the disk in proportion to the whole file, so it is for the end of a server.
    pub(in crate::store) async fn rewrite(&self) -> Result<(), StoreError> {
        let mut writer = self.acquire().await?;
        let mark: i64 = sqlx::query_scalar("PRAGMA user_version").fetch_one(&mut *writer).await?;
        if mark != 0 {
            sqlx::raw_sql("VACUUM").execute(&mut *writer).await?;
            // After it, since it cannot be part of a transaction: after a kill in between it is repeated.
            sqlx::raw_sql(UNMARK).execute(&mut *writer).await?;
        }
        writer.release();
        Ok(())
    }
}

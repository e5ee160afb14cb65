//! Reads checkpoints from a SQLite file.

use std::collections::HashMap;

use sqlx::Row as _;
use sqlx::pool::PoolConnection;
use sqlx::sqlite::{Sqlite, SqliteRow};
use uuid::Uuid;

use super::{SqliteStore, uuid};
use crate::domain::TenantId;
use crate::store::load::{CheckpointCollector, CheckpointMark, PAGE_ROWS, TENANTS_WITHOUT_HEAD};
use crate::store::{StoreError, StoredCheckpoint};

/// A connection in a read transaction.
#[derive(Debug)]
pub struct CheckpointReader(pub(super) PoolConnection<Sqlite>);

/// The staged rows of current checkpoints, by tenant, kind and key, without those moved to `state_row`. `None` for a
/// deleted row.
type Staged = HashMap<(String, String, String), Option<String>>;

impl SqliteStore {
    /// Opens a connection. All see the same data without a shared snapshot, since nothing writes checkpoints while a server
    /// starts.
    pub(crate) async fn checkpoint_reader(&self) -> Result<CheckpointReader, StoreError> {
        let mut connection = self.reads.acquire().await?;
        sqlx::raw_sql("BEGIN").execute(&mut *connection).await?;
        Ok(CheckpointReader(connection))
    }

    pub(crate) async fn tenants_without_head(&self) -> Result<Vec<TenantId>, StoreError> {
        let ids: Vec<String> = sqlx::query_scalar(TENANTS_WITHOUT_HEAD).fetch_all(&self.reads).await?;
        ids.iter().map(|id| Ok(TenantId(uuid(id)?))).collect()
    }
}

impl CheckpointReader {
    pub(crate) async fn read(
        &mut self,
        first: TenantId,
        last: TenantId,
    ) -> Result<Vec<(TenantId, Result<StoredCheckpoint, StoreError>)>, StoreError> {
        let (first, last) = (first.to_string(), last.to_string());
        let mut collector = CheckpointCollector::default();
        let marks = sqlx::query(
            "SELECT tenant, position, batch FROM checkpoint WHERE tenant BETWEEN ?1 AND ?2 ORDER BY tenant",
        )
        .bind(&first)
        .bind(&last)
        .fetch_all(&mut *self.0)
        .await?;
        for row in &marks {
            let CheckpointMark { tenant, position, batch } = mark(row)?;
            collector.add_mark(tenant.0, position as i64, batch);
        }
        let mut staged = self.staged(&first, &last).await?;
        let (mut after, mut is_first) = ((first, String::new(), String::new()), true);
        loop {
            // The first page includes its starting point, since a tenant's own row has an empty key.
            let page = sqlx::query(if is_first {
                "SELECT tenant, kind, key, body FROM state_row
                 WHERE (tenant, kind, key) >= (?1, ?2, ?3) AND tenant <= ?4 ORDER BY tenant, kind, key LIMIT ?5"
            } else {
                "SELECT tenant, kind, key, body FROM state_row
                 WHERE (tenant, kind, key) > (?1, ?2, ?3) AND tenant <= ?4 ORDER BY tenant, kind, key LIMIT ?5"
            });
            let page = page.bind(&after.0).bind(&after.1).bind(&after.2).bind(&last).bind(PAGE_ROWS);
            let page = page.fetch_all(&mut *self.0).await?;
            is_first = false;
            for row in &page {
                let place: (String, String, String) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
                let body = match staged.remove(&place) {
                    Some(newer) => newer,
                    None => Some(row.try_get(3)?),
                };
                if let Some(body) = body {
                    collector.add_row(uuid(&place.0)?, &place.1, &place.2, body);
                }
                after = place;
            }
            if page.len() < PAGE_ROWS as usize {
                break;
            }
        }
        // Rows left over are new: `state_row` has none of their key.
        for ((tenant, kind, key), body) in staged {
            if let Some(body) = body {
                collector.add_row(uuid(&tenant)?, &kind, &key, body);
            }
        }
        Ok(collector.into_found())
    }

    async fn staged(&mut self, first: &str, last: &str) -> Result<Staged, StoreError> {
        let rows = sqlx::query(
            "SELECT n.tenant, n.kind, n.key, n.body FROM checkpoint c JOIN state_row_next n ON n.tenant = c.tenant
             WHERE c.tenant BETWEEN ?1 AND ?2 AND c.staged",
        )
        .bind(first)
        .bind(last)
        .fetch_all(&mut *self.0)
        .await?;
        rows.iter().map(|row| Ok(((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?), row.try_get(3)?))).collect()
    }

    pub(crate) async fn close(mut self) -> Result<(), StoreError> {
        sqlx::raw_sql("COMMIT").execute(&mut *self.0).await?;
        Ok(())
    }
}

/// Reads a row of `checkpoint`.
pub(super) fn mark(row: &SqliteRow) -> Result<CheckpointMark, StoreError> {
    // A text that is no id is that of no batch, so that the checkpoint fits no journal.
    let batch = row.try_get::<Option<&str>, _>("batch")?.map(|text| Uuid::try_parse(text).unwrap_or_default());
    let (tenant, position) = (uuid(row.try_get("tenant")?)?, row.try_get::<i64, _>("position")?);
    Ok(CheckpointMark { tenant: TenantId(tenant), position: position as u64, batch })
}

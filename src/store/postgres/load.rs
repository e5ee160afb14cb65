//! Reads checkpoints from PostgreSQL.

use sqlx::{AssertSqlSafe, Connection, PgConnection, Row as _};
use uuid::Uuid;

use super::PostgresStore;
use crate::domain::TenantId;
use crate::store::load::{CheckpointCollector, PAGE_ROWS, TENANTS_WITHOUT_HEAD};
use crate::store::{StoreError, StoredCheckpoint};

/// A connection in a read-only transaction.
#[derive(Debug)]
pub struct CheckpointReader(pub(super) PgConnection);

impl PostgresStore {
    /// Opens a connection. With the name of an exported snapshot it sees the same data as the one that exported it.
    pub(crate) async fn checkpoint_reader(&self, snapshot: Option<&str>) -> Result<CheckpointReader, StoreError> {
        let mut connection = self.sessions.connect().await?;
        // A reader is idle while its rows are decoded, which may take long.
        let begin = "SET idle_in_transaction_session_timeout = 0; BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
        sqlx::raw_sql(begin).execute(&mut connection).await?;
        if let Some(name) = snapshot {
            // SET takes no parameters; the name comes from the server itself.
            let take = AssertSqlSafe(format!("SET TRANSACTION SNAPSHOT '{name}'"));
            sqlx::raw_sql(take).execute(&mut connection).await?;
        }
        Ok(CheckpointReader(connection))
    }

    pub(crate) async fn tenants_without_head(&self) -> Result<Vec<TenantId>, StoreError> {
        let ids: Vec<Uuid> = sqlx::query_scalar(TENANTS_WITHOUT_HEAD).fetch_all(&self.pool).await?;
        Ok(ids.into_iter().map(TenantId).collect())
    }
}

impl CheckpointReader {
    pub(crate) async fn read(
        &mut self,
        first: TenantId,
        last: TenantId,
    ) -> Result<Vec<(TenantId, Result<StoredCheckpoint, StoreError>)>, StoreError> {
        let mut collector = CheckpointCollector::default();
        let marks: Vec<(Uuid, i64, Option<Uuid>)> = sqlx::query_as(
            "SELECT tenant, position, batch FROM checkpoint WHERE tenant BETWEEN $1 AND $2 ORDER BY tenant",
        )
        .bind(first.0)
        .bind(last.0)
        .fetch_all(&mut self.0)
        .await?;
        for (tenant, position, batch) in marks {
            collector.add_mark(tenant, position, batch);
        }
        let (mut after, mut is_first) = ((first.0, String::new(), String::new()), true);
        loop {
            // The first page includes its starting point, since a tenant's own row has an empty key.
            let page = sqlx::query(if is_first {
                "SELECT tenant, kind, key, body::text AS body FROM state_row
                 WHERE (tenant, kind, key) >= ($1, $2, $3) AND tenant <= $4 ORDER BY tenant, kind, key LIMIT $5"
            } else {
                "SELECT tenant, kind, key, body::text AS body FROM state_row
                 WHERE (tenant, kind, key) > ($1, $2, $3) AND tenant <= $4 ORDER BY tenant, kind, key LIMIT $5"
            });
            let page = page.bind(after.0).bind(&after.1).bind(&after.2).bind(last.0).bind(PAGE_ROWS);
            let page = page.fetch_all(&mut self.0).await?;
            is_first = false;
            for row in &page {
                collector.add_row(row.try_get(0)?, row.try_get(1)?, row.try_get(2)?, row.try_get(3)?);
            }
            match page.last() {
                Some(row) if page.len() == PAGE_ROWS as usize => {
                    after = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
                }
                _ => return Ok(collector.into_found()),
            }
        }
    }

    pub(crate) async fn close(mut self) -> Result<(), StoreError> {
        sqlx::raw_sql("COMMIT").execute(&mut self.0).await?;
        self.0.close().await?;
        Ok(())
    }
}

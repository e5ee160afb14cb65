//! The archive in a SQLite file.

use serde::Serialize;
use sqlx::sqlite::{Sqlite, SqliteConnection, SqliteRow};
use sqlx::{QueryBuilder, Row};
use uuid::Uuid;

use super::{SqliteStore, uuid};
use crate::domain::conversation::{Key, Span};
use crate::domain::{TenantId, Time};
use crate::live::Checkpoint;
use crate::store::StoreError;
use crate::store::archive::statements::{self, ArchiveSql};
use crate::store::archive::{ArchiveColumns, ArchiveFilter, ArchiveRow, Tags};

/// Writes a checkpoint's closed conversations to the archive and deletes its reopened ones.
pub(super) async fn write(writing: &mut SqliteConnection, tenant: &str, made: &Checkpoint) -> Result<(), sqlx::Error> {
    let columns = made.archived.iter().filter_map(ArchiveColumns::of);
    let rows: Vec<_> = columns
        .map(|row| {
            let (of_list, of_filters) =
                ((row.id, row.closed_ms, row.closed, row.seq), (row.project, row.channel, row.reason));
            (of_list, of_filters, json(&row.users), json(&row.routing_groups), row.body)
        })
        .collect();
    if !rows.is_empty() {
        sqlx::query(
            "INSERT INTO archive (tenant, id, closed_ms, closed, seq, project, channel, reason, users, routing_groups,
                                  size, body)
             SELECT ?1, value ->> '$[0][0]', value ->> '$[0][1]', value ->> '$[0][2]', value ->> '$[0][3]',
                    value ->> '$[1][0]', value ->> '$[1][1]', value ->> '$[1][2]', value ->> 2, value ->> 3,
                    octet_length(value ->> 4), value ->> 4
             FROM json_each(?2) WHERE true
             ON CONFLICT (tenant, id) DO UPDATE SET
                closed_ms = excluded.closed_ms, closed = excluded.closed, seq = excluded.seq,
                project = excluded.project, channel = excluded.channel, reason = excluded.reason,
                users = excluded.users, routing_groups = excluded.routing_groups, size = excluded.size,
                body = excluded.body",
        )
        .bind(tenant)
        .bind(json(&rows))
        .execute(&mut *writing)
        .await?;
    }
    if !made.reopened.is_empty() {
        sqlx::query("DELETE FROM archive WHERE tenant = ?1 AND id IN (SELECT value FROM json_each(?2))")
            .bind(tenant)
            .bind(json(&made.reopened))
            .execute(&mut *writing)
            .await?;
    }
    Ok(())
}

impl SqliteStore {
    pub(crate) async fn archive_page(
        &self,
        tenant: TenantId,
        position: u64,
        filter: &ArchiveFilter,
        span: &Span,
    ) -> Result<Vec<ArchiveRow>, StoreError> {
        let mut page = statements::page::<Sqlite>(tenant, position, filter, span);
        page.build().fetch_all(&self.archive).await?.iter().map(read).collect()
    }

    pub(crate) async fn archive_end(
        &self,
        tenant: TenantId,
        filter: &ArchiveFilter,
        span: &Span,
        rows: usize,
    ) -> Result<Option<Key>, StoreError> {
        let mut end = statements::end::<Sqlite>(tenant, filter, span, rows);
        let end = end.build().fetch_optional(&self.archive).await?;
        end.map(|row| Ok(Key { millis: row.try_get("closed_ms")?, id: uuid(row.try_get("id")?)? })).transpose()
    }

    pub(crate) async fn tagged(
        &self,
        tenant: TenantId,
        tags: &Tags,
        closed: Option<(Time, Time)>,
    ) -> Result<i64, StoreError> {
        let mut count = statements::count::<Sqlite>(tenant, tags, closed);
        Ok(count.build_query_scalar().fetch_one(&self.archive).await?)
    }

    /// Uses the pool of short statements rather than the archive's, since a write waits for the answer.
    pub(crate) async fn are_archived(&self, tenant: TenantId, ids: &[Uuid]) -> Result<Vec<Uuid>, StoreError> {
        let found = sqlx::query("SELECT id FROM archive WHERE tenant = ?1 AND id IN (SELECT value FROM json_each(?2))");
        let rows = found.bind(tenant.to_string()).bind(json(&ids)).fetch_all(&self.reads).await?;
        rows.iter().map(|row| uuid(row.try_get(0)?)).collect()
    }

    pub(crate) async fn archived(
        &self,
        tenant: TenantId,
        position: u64,
        ids: &[Uuid],
    ) -> Result<Vec<ArchiveRow>, StoreError> {
        let rows = sqlx::query(
            "SELECT id, body, 0 AS before FROM archive
             WHERE tenant = ?1 AND seq <= ?2 AND id IN (SELECT value FROM json_each(?3))",
        )
        .bind(tenant.to_string())
        .bind(position as i64)
        .bind(json(&ids))
        .fetch_all(&self.archive)
        .await?;
        rows.iter().map(read).collect()
    }
}

impl ArchiveSql for Sqlite {
    fn number(query: &mut QueryBuilder<Self>, number: i64) {
        query.push_bind(number);
    }

    fn text(query: &mut QueryBuilder<Self>, text: String) {
        query.push_bind(text);
    }

    fn id(query: &mut QueryBuilder<Self>, id: Uuid) {
        query.push_bind(id.to_string());
    }

    fn is_any_number(query: &mut QueryBuilder<Self>, column: &str, numbers: &[i64]) {
        is_any(query, column, numbers);
    }

    fn is_any_text(query: &mut QueryBuilder<Self>, column: &str, texts: Vec<String>) {
        is_any(query, column, &texts);
    }

    fn has_any_number(query: &mut QueryBuilder<Self>, column: &str, numbers: &[i64]) {
        has_any(query, column, numbers);
    }

    fn has_any_id(query: &mut QueryBuilder<Self>, column: &str, ids: &[Uuid]) {
        has_any(query, column, ids);
    }
}

fn is_any<T: Serialize>(query: &mut QueryBuilder<Sqlite>, column: &str, values: &[T]) {
    query.push(format!(" AND {column} IN (SELECT value FROM json_each(")).push_bind(json(values)).push("))");
}

fn has_any<T: Serialize>(query: &mut QueryBuilder<Sqlite>, column: &str, values: &[T]) {
    query.push(format!(" AND EXISTS (SELECT 1 FROM json_each({column}) AS one WHERE one.value IN (SELECT value"));
    query.push(" FROM json_each(").push_bind(json(values)).push(")))");
}

/// Reads the columns of one row.
fn read(row: &SqliteRow) -> Result<ArchiveRow, StoreError> {
    Ok(ArchiveRow { id: uuid(row.try_get("id")?)?, body: row.try_get("body")?, before: row.try_get("before")? })
}

/// Serialises a value to bind as one parameter. Serialising plain values cannot fail.
fn json<T: Serialize + ?Sized>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

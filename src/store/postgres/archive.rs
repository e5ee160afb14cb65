//! The archive on PostgreSQL.

use sqlx::postgres::{PgConnection, PgRow, Postgres};
use sqlx::{QueryBuilder, Row};
use uuid::Uuid;

use super::PostgresStore;
use crate::domain::conversation::{Key, Span};
use crate::domain::{TenantId, Time};
use crate::live::Checkpoint;
use crate::store::StoreError;
use crate::store::archive::statements::{self, ArchiveSql};
use crate::store::archive::{ArchiveColumns, ArchiveFilter, ArchiveRow, Tags};

/// Writes a checkpoint's closed conversations to the archive and deletes its reopened ones.
pub(super) async fn write(writing: &mut PgConnection, tenant: TenantId, made: &Checkpoint) -> Result<(), sqlx::Error> {
    let rows: Vec<ArchiveColumns> = made.archived.iter().filter_map(ArchiveColumns::of).collect();
    if !rows.is_empty() {
        sqlx::query(
            "INSERT INTO archive (tenant, id, closed_ms, closed, seq, project, channel, reason, users, routing_groups,
                                  size, body)
             SELECT $1, id, closed_ms, closed, seq, project, channel, reason, users::bigint[], routing_groups::uuid[],
                    octet_length(body), body::json
             FROM unnest($2::uuid[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::text[], $8::text[],
                         $9::text[], $10::text[], $11::text[])
                  AS t (id, closed_ms, closed, seq, project, channel, reason, users, routing_groups, body)
             ON CONFLICT (tenant, id) DO UPDATE SET
                closed_ms = excluded.closed_ms, closed = excluded.closed, seq = excluded.seq,
                project = excluded.project, channel = excluded.channel, reason = excluded.reason,
                users = excluded.users, routing_groups = excluded.routing_groups, size = excluded.size,
                body = excluded.body",
        )
        .bind(tenant.0)
        .bind(rows.iter().map(|row| row.id).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.closed_ms).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.closed).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.seq).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.project).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.channel).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.reason.as_deref()).collect::<Vec<_>>())
        // Arrays of arrays cannot be unnested by row, so each row's array is bound as text and cast.
        .bind(rows.iter().map(|row| array(&row.users)).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| array(&row.routing_groups)).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.body.as_str()).collect::<Vec<_>>())
        .execute(&mut *writing)
        .await?;
    }
    if !made.reopened.is_empty() {
        sqlx::query("DELETE FROM archive WHERE tenant = $1 AND id = ANY ($2)")
            .bind(tenant.0)
            .bind(&made.reopened)
            .execute(&mut *writing)
            .await?;
    }
    Ok(())
}

/// Formats an array literal of PostgreSQL. The values must need no quotes.
fn array<T: ToString>(values: &[T]) -> String {
    format!("{{{}}}", values.iter().map(T::to_string).collect::<Vec<_>>().join(","))
}

impl PostgresStore {
    pub(crate) async fn archive_page(
        &self,
        tenant: TenantId,
        position: u64,
        filter: &ArchiveFilter,
        span: &Span,
    ) -> Result<Vec<ArchiveRow>, StoreError> {
        let mut page = statements::page::<Postgres>(tenant, position, filter, span);
        page.build().fetch_all(&self.archive).await?.iter().map(read).collect()
    }

    pub(crate) async fn archive_end(
        &self,
        tenant: TenantId,
        filter: &ArchiveFilter,
        span: &Span,
        rows: usize,
    ) -> Result<Option<Key>, StoreError> {
        let mut end = statements::end::<Postgres>(tenant, filter, span, rows);
        let end = end.build().fetch_optional(&self.archive).await?;
        end.map(|row| Ok(Key { millis: row.try_get("closed_ms")?, id: row.try_get("id")? })).transpose()
    }

    pub(crate) async fn tagged(
        &self,
        tenant: TenantId,
        tags: &Tags,
        closed: Option<(Time, Time)>,
    ) -> Result<i64, StoreError> {
        let mut count = statements::count::<Postgres>(tenant, tags, closed);
        Ok(count.build_query_scalar().fetch_one(&self.archive).await?)
    }

    /// Uses the pool of short statements rather than the archive's, since a write waits for the answer.
    pub(crate) async fn are_archived(&self, tenant: TenantId, ids: &[Uuid]) -> Result<Vec<Uuid>, StoreError> {
        let found = sqlx::query_scalar("SELECT id FROM archive WHERE tenant = $1 AND id = ANY ($2)");
        Ok(found.bind(tenant.0).bind(ids).fetch_all(&self.pool).await?)
    }

    pub(crate) async fn archived(
        &self,
        tenant: TenantId,
        position: u64,
        ids: &[Uuid],
    ) -> Result<Vec<ArchiveRow>, StoreError> {
        let rows = sqlx::query(
            "SELECT id, body::text AS body, 0::bigint AS before FROM archive
             WHERE tenant = $1 AND seq <= $2 AND id = ANY ($3)",
        )
        .bind(tenant.0)
        .bind(position as i64)
        .bind(ids)
        .fetch_all(&self.archive)
        .await?;
        rows.iter().map(read).collect()
    }
}

impl ArchiveSql for Postgres {
    fn number(query: &mut QueryBuilder<Self>, number: i64) {
        query.push_bind(number);
    }

    fn text(query: &mut QueryBuilder<Self>, text: String) {
        query.push_bind(text);
    }

    fn id(query: &mut QueryBuilder<Self>, id: Uuid) {
        query.push_bind(id);
    }

    fn is_any_number(query: &mut QueryBuilder<Self>, column: &str, numbers: &[i64]) {
        query.push(format!(" AND {column} = ANY (")).push_bind(numbers).push(")");
    }

    fn is_any_text(query: &mut QueryBuilder<Self>, column: &str, texts: Vec<String>) {
        query.push(format!(" AND {column} = ANY (")).push_bind(texts).push(")");
    }

    fn has_any_number(query: &mut QueryBuilder<Self>, column: &str, numbers: &[i64]) {
        query.push(format!(" AND {column} && ")).push_bind(numbers);
    }

    fn has_any_id(query: &mut QueryBuilder<Self>, column: &str, ids: &[Uuid]) {
        query.push(format!(" AND {column} && ")).push_bind(ids);
    }
}

/// Reads the columns of one row.
fn read(row: &PgRow) -> Result<ArchiveRow, StoreError> {
    Ok(ArchiveRow { id: row.try_get("id")?, body: row.try_get("body")?, before: row.try_get("before")? })
}

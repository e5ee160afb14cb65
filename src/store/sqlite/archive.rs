//! The archive in a SQLite file.

use serde::Serialize;
use sqlx::sqlite::{Sqlite, SqliteConnection, SqliteRow};
use sqlx::{QueryBuilder, Row};
use uuid::Uuid;

use super::{SqliteStore, uuid};
use crate::domain::TenantId;
use crate::domain::conversation::{Criteria, Key, Span, millis};
use crate::live::Checkpoint;
use crate::store::StoreError;
use crate::store::archive::{ArchiveColumns, ArchiveRow, PAGE_BYTES};

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
        criteria: &Criteria,
        span: &Span,
    ) -> Result<Vec<ArchiveRow>, StoreError> {
        let order = if span.forward { "ASC" } else { "DESC" };
        let mut query = QueryBuilder::<Sqlite>::new(format!(
            "SELECT id, CASE WHEN before < {PAGE_BYTES} THEN body ELSE '' END AS body, before
             FROM (SELECT id, body, closed_ms, sum(size) OVER (ORDER BY closed_ms {order}, id {order}) - size AS before
                   FROM (SELECT id, body, size, closed_ms FROM archive WHERE tenant = "
        ));
        // Rows newer than the view are left out: the view has these conversations in its own version.
        query.push_bind(tenant.to_string()).push(" AND seq <= ").push_bind(position as i64);
        restrict(&mut query, criteria);
        between(&mut query, span);
        query.push(format!(" ORDER BY closed_ms {order}, id {order} LIMIT ")).push_bind(span.limit as i64);
        query.push(format!(")) ORDER BY closed_ms {order}, id {order}"));
        let rows = query.build().fetch_all(&self.archive).await?;
        rows.iter().map(read).collect()
    }

    pub(crate) async fn archive_end(
        &self,
        tenant: TenantId,
        criteria: &Criteria,
        span: &Span,
        rows: usize,
    ) -> Result<Option<Key>, StoreError> {
        let order = if span.forward { "ASC" } else { "DESC" };
        // Restricted by what the index has, so that no row of the table is read.
        let mut query = QueryBuilder::<Sqlite>::new("SELECT closed_ms, id FROM archive WHERE tenant = ");
        query.push_bind(tenant.to_string());
        if let Some((from, to)) = criteria.closed {
            query.push(" AND closed_ms BETWEEN ").push_bind(millis(from)).push(" AND ").push_bind(millis(to));
        }
        between(&mut query, span);
        query.push(format!(" ORDER BY closed_ms {order}, id {order} LIMIT 1 OFFSET ")).push_bind(rows as i64 - 1);
        let end = query.build().fetch_optional(&self.archive).await?;
        end.map(|row| Ok(Key { millis: row.try_get("closed_ms")?, id: uuid(row.try_get("id")?)? })).transpose()
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

/// Adds the places that a span lies between to the WHERE clause.
fn between(query: &mut QueryBuilder<Sqlite>, span: &Span) {
    if let Some(after) = span.after {
        query.push(" AND (closed_ms, id) > (").push_bind(after.millis);
        query.push(", ").push_bind(after.id.to_string()).push(")");
    }
    if let Some(before) = span.before {
        query.push(" AND (closed_ms, id) < (").push_bind(before.millis);
        query.push(", ").push_bind(before.id.to_string()).push(")");
    }
}

/// Adds the criteria to the WHERE clause.
fn restrict(query: &mut QueryBuilder<Sqlite>, criteria: &Criteria) {
    if let Some((from, to)) = criteria.closed {
        // The index has milliseconds; the exact bounds then apply to the rows found.
        query.push(" AND closed_ms BETWEEN ").push_bind(millis(from)).push(" AND ").push_bind(millis(to));
        query.push(" AND closed BETWEEN ").push_bind(from.micros()).push(" AND ").push_bind(to.micros());
    }
    if let Some(id) = criteria.id {
        query.push(" AND id = ").push_bind(id.to_string());
    }
    if let Some(projects) = &criteria.projects {
        query.push(" AND project IN (SELECT value FROM json_each(").push_bind(json(projects)).push("))");
    }
    if let Some(media) = &criteria.media {
        query.push(" AND channel IN (SELECT value FROM json_each(").push_bind(json(media)).push("))");
    }
    if let Some(reasons) = &criteria.reasons {
        query.push(" AND reason IN (SELECT value FROM json_each(").push_bind(json(reasons)).push("))");
    }
    let lists = [("routing_groups", criteria.routing_groups.as_ref().map(json))];
    for (column, list) in lists.into_iter().chain(criteria.users.iter().map(|users| ("users", Some(json(users))))) {
        let Some(list) = list else { continue };
        query.push(format!(" AND EXISTS (SELECT 1 FROM json_each({column}) AS one WHERE one.value IN"));
        query.push(" (SELECT value FROM json_each(").push_bind(list).push(")))");
    }
}

/// Reads the columns of one row.
fn read(row: &SqliteRow) -> Result<ArchiveRow, StoreError> {
    Ok(ArchiveRow { id: uuid(row.try_get("id")?)?, body: row.try_get("body")?, before: row.try_get("before")? })
}

/// Serialises a value to bind as one parameter. Serialising plain values cannot fail.
fn json<T: Serialize + ?Sized>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

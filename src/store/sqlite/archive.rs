//! The archive in a SQLite file.

use serde::Serialize;
use sqlx::sqlite::{Sqlite, SqliteConnection, SqliteRow};
use sqlx::{QueryBuilder, Row};
use uuid::Uuid;

use super::{SqliteStore, uuid};
use crate::domain::conversation::{Criteria, Key, Span, millis};
use crate::domain::{TenantId, Time};
use crate::live::Checkpoint;
use crate::store::StoreError;
use crate::store::archive::{ArchiveColumns, ArchiveFilter, ArchiveRow, COUNTED, PAGE_BYTES, Tags};

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
        let order = if span.forward { "ASC" } else { "DESC" };
        let mut query = QueryBuilder::<Sqlite>::new(format!(
            "SELECT id, CASE WHEN before < {PAGE_BYTES} THEN body ELSE '' END AS body, before
             FROM (SELECT id, body, closed_ms,
                          sum(size) OVER (ORDER BY closed_ms {order}, id {order}) - size AS before
                   FROM (SELECT archive.id, body, size, archive.closed_ms FROM "
        ));
        if let Some(tags) = &filter.tags {
            // One conversation may have several of the tags.
            let distinct = if tags.values.len() > 1 { "DISTINCT " } else { "" };
            query.push(format!("(SELECT {distinct}closed_ms AS tagged_ms, id AS tagged_id FROM archive_tag WHERE "));
            tagged(&mut query, tenant, tags);
            within(&mut query, "", filter.criteria.closed, span);
            // A cross join is read in its order, and so in that of the index.
            query.push(") AS tagged CROSS JOIN ");
        }
        query.push("archive WHERE archive.tenant = ").push_bind(tenant.to_string());
        if filter.tags.is_some() {
            query.push(" AND archive.id = tagged_id");
        }
        // Rows newer than the view are left out: the view has these conversations in its own version.
        query.push(" AND seq <= ").push_bind(position as i64);
        restrict(&mut query, &filter.criteria);
        within(&mut query, "archive.", filter.criteria.closed, span);
        let (millis, id) = if filter.tags.is_some() { ("tagged_ms", "tagged_id") } else { ("closed_ms", "id") };
        query.push(format!(" ORDER BY {millis} {order}, {id} {order} LIMIT ")).push_bind(span.limit as i64);
        query.push(format!(")) ORDER BY closed_ms {order}, id {order}"));
        let rows = query.build().fetch_all(&self.archive).await?;
        rows.iter().map(read).collect()
    }

    /// Reads an index only, and no row of the archive.
    pub(crate) async fn archive_end(
        &self,
        tenant: TenantId,
        filter: &ArchiveFilter,
        span: &Span,
        rows: usize,
    ) -> Result<Option<Key>, StoreError> {
        let order = if span.forward { "ASC" } else { "DESC" };
        let closed = filter.criteria.closed;
        let mut query = QueryBuilder::<Sqlite>::new("SELECT closed_ms, id FROM ");
        match &filter.tags {
            // Each tag by itself, in the order of the index: together they would all be read and sorted.
            Some(tags) => {
                query.push("(");
                for (n, value) in tags.values.iter().enumerate() {
                    query.push(if n > 0 { " UNION ALL " } else { "" });
                    query.push("SELECT * FROM (SELECT closed_ms, id FROM archive_tag WHERE ");
                    tagged(&mut query, tenant, &Tags { kind: tags.kind, values: vec![value.clone()] });
                    within(&mut query, "", closed, span);
                    query.push(format!(" ORDER BY closed_ms {order}, id {order} LIMIT ")).push_bind(rows as i64);
                    query.push(format!(") AS tag_{n}"));
                }
                query.push(") AS tags");
            }
            None => {
                query.push("archive WHERE tenant = ").push_bind(tenant.to_string());
                within(&mut query, "", closed, span);
            }
        }
        query.push(format!(" ORDER BY closed_ms {order}, id {order} LIMIT 1 OFFSET ")).push_bind(rows as i64 - 1);
        let end = query.build().fetch_optional(&self.archive).await?;
        end.map(|row| Ok(Key { millis: row.try_get("closed_ms")?, id: uuid(row.try_get("id")?)? })).transpose()
    }

    /// Returns the number of tags among these that conversations of an interval have, at most [`COUNTED`].
    pub(crate) async fn tagged(
        &self,
        tenant: TenantId,
        tags: &Tags,
        closed: Option<(Time, Time)>,
    ) -> Result<i64, StoreError> {
        let mut query = QueryBuilder::<Sqlite>::new("SELECT count(*) FROM (SELECT 1 FROM archive_tag WHERE ");
        tagged(&mut query, tenant, tags);
        within(&mut query, "", closed, &Span { forward: true, after: None, before: None, limit: 0 });
        query.push(" LIMIT ").push_bind(COUNTED).push(") AS counted");
        Ok(query.build_query_scalar().fetch_one(&self.archive).await?)
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

/// Adds the tenant and the tags to a WHERE clause over `archive_tag`.
fn tagged(query: &mut QueryBuilder<Sqlite>, tenant: TenantId, tags: &Tags) {
    query.push("tenant = ").push_bind(tenant.to_string()).push(" AND kind = ").push_bind(tags.kind);
    match &tags.values[..] {
        // So that the planner sees the order of the index.
        [value] => query.push(" AND value = ").push_bind(value.clone()),
        _ => query.push(" AND value IN (SELECT value FROM json_each(").push_bind(json(&tags.values)).push("))"),
    };
}

/// Adds an interval and the places that a span lies between to a WHERE clause, with a prefix of the columns.
fn within(query: &mut QueryBuilder<Sqlite>, prefix: &str, closed: Option<(Time, Time)>, span: &Span) {
    let key = format!(" AND ({prefix}closed_ms, {prefix}id)");
    if let Some((from, to)) = closed {
        query.push(format!(" AND {prefix}closed_ms BETWEEN ")).push_bind(millis(from));
        query.push(" AND ").push_bind(millis(to));
    }
    if let Some(after) = span.after {
        query.push(&key).push(" > (").push_bind(after.millis).push(", ").push_bind(after.id.to_string()).push(")");
    }
    if let Some(before) = span.before {
        query.push(&key).push(" < (").push_bind(before.millis).push(", ").push_bind(before.id.to_string()).push(")");
    }
}

/// Adds the criteria to the WHERE clause.
fn restrict(query: &mut QueryBuilder<Sqlite>, criteria: &Criteria) {
    if let Some((from, to)) = criteria.closed {
        // The indexes have milliseconds; the exact bounds apply to the rows found by these.
        query.push(" AND closed BETWEEN ").push_bind(from.micros()).push(" AND ").push_bind(to.micros());
    }
    if let Some(id) = criteria.id {
        query.push(" AND archive.id = ").push_bind(id.to_string());
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

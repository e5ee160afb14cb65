//! The archive on PostgreSQL.

use sqlx::postgres::{PgConnection, PgRow, Postgres};
use sqlx::{QueryBuilder, Row};
use uuid::Uuid;

use super::PostgresStore;
use crate::domain::conversation::{Criteria, Key, Medium, Span, millis};
use crate::domain::{TenantId, Time};
use crate::live::Checkpoint;
use crate::store::StoreError;
use crate::store::archive::{ArchiveColumns, ArchiveFilter, ArchiveRow, COUNTED, PAGE_BYTES, Tags};

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
        let order = if span.forward { "ASC" } else { "DESC" };
        let mut query = QueryBuilder::<Postgres>::new(format!(
            "SELECT id, CASE WHEN before < {PAGE_BYTES} THEN body::text ELSE '' END AS body, before
             FROM (SELECT id, body, closed_ms,
                          (sum(size) OVER (ORDER BY closed_ms {order}, id {order}) - size)::bigint AS before
                   FROM (SELECT archive.id, body, size, archive.closed_ms FROM "
        ));
        if let Some(tags) = &filter.tags {
            // One conversation may have several of the tags.
            let distinct = if tags.values.len() > 1 { "DISTINCT " } else { "" };
            query.push(format!("(SELECT {distinct}closed_ms AS tagged_ms, id AS tagged_id FROM archive_tag WHERE "));
            tagged(&mut query, tenant, tags);
            within(&mut query, "", filter.criteria.closed, span);
            query.push(") AS tagged CROSS JOIN ");
        }
        query.push("archive WHERE archive.tenant = ").push_bind(tenant.0);
        if filter.tags.is_some() {
            query.push(" AND archive.id = tagged_id");
        }
        // Rows newer than the view are left out: the view has these conversations in its own version.
        query.push(" AND seq <= ").push_bind(position as i64);
        restrict(&mut query, &filter.criteria);
        within(&mut query, "archive.", filter.criteria.closed, span);
        let (millis, id) = if filter.tags.is_some() { ("tagged_ms", "tagged_id") } else { ("closed_ms", "id") };
        query.push(format!(" ORDER BY {millis} {order}, {id} {order} LIMIT ")).push_bind(span.limit as i64);
        query.push(format!(") AS page) AS placed ORDER BY closed_ms {order}, id {order}"));
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
        let mut query = QueryBuilder::<Postgres>::new("SELECT closed_ms, id FROM ");
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
                query.push("archive WHERE tenant = ").push_bind(tenant.0);
                within(&mut query, "", closed, span);
            }
        }
        query.push(format!(" ORDER BY closed_ms {order}, id {order} LIMIT 1 OFFSET ")).push_bind(rows as i64 - 1);
        let end = query.build().fetch_optional(&self.archive).await?;
        end.map(|row| Ok(Key { millis: row.try_get("closed_ms")?, id: row.try_get("id")? })).transpose()
    }

    /// Returns the number of tags among these that conversations of an interval have, at most [`COUNTED`].
    pub(crate) async fn tagged(
        &self,
        tenant: TenantId,
        tags: &Tags,
        closed: Option<(Time, Time)>,
    ) -> Result<i64, StoreError> {
        let mut query = QueryBuilder::<Postgres>::new("SELECT count(*) FROM (SELECT 1 FROM archive_tag WHERE ");
        tagged(&mut query, tenant, tags);
        within(&mut query, "", closed, &Span { forward: true, after: None, before: None, limit: 0 });
        query.push(" LIMIT ").push_bind(COUNTED).push(") AS counted");
        Ok(query.build_query_scalar().fetch_one(&self.archive).await?)
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

/// Adds the tenant and the tags to a WHERE clause over `archive_tag`.
fn tagged(query: &mut QueryBuilder<Postgres>, tenant: TenantId, tags: &Tags) {
    query.push("tenant = ").push_bind(tenant.0).push(" AND kind = ").push_bind(tags.kind);
    match &tags.values[..] {
        // So that the planner sees the order of the index.
        [value] => query.push(" AND value = ").push_bind(value.clone()),
        _ => query.push(" AND value = ANY (").push_bind(tags.values.clone()).push(")"),
    };
}

/// Adds an interval and the places that a span lies between to a WHERE clause, with a prefix of the columns.
fn within(query: &mut QueryBuilder<Postgres>, prefix: &str, closed: Option<(Time, Time)>, span: &Span) {
    let key = format!(" AND ({prefix}closed_ms, {prefix}id)");
    if let Some((from, to)) = closed {
        query.push(format!(" AND {prefix}closed_ms BETWEEN ")).push_bind(millis(from));
        query.push(" AND ").push_bind(millis(to));
    }
    if let Some(after) = span.after {
        query.push(&key).push(" > (").push_bind(after.millis).push(", ").push_bind(after.id).push(")");
    }
    if let Some(before) = span.before {
        query.push(&key).push(" < (").push_bind(before.millis).push(", ").push_bind(before.id).push(")");
    }
}

/// Adds the criteria to the WHERE clause.
fn restrict(query: &mut QueryBuilder<Postgres>, criteria: &Criteria) {
    if let Some((from, to)) = criteria.closed {
        // The indexes have milliseconds; the exact bounds apply to the rows found by these.
        query.push(" AND closed BETWEEN ").push_bind(from.micros()).push(" AND ").push_bind(to.micros());
    }
    if let Some(id) = criteria.id {
        query.push(" AND archive.id = ").push_bind(id);
    }
    if let Some(projects) = &criteria.projects {
        query.push(" AND project = ANY (").push_bind(projects.clone()).push(")");
    }
    if let Some(media) = &criteria.media {
        let names: Vec<_> = media.iter().copied().map(Medium::name).collect();
        query.push(" AND channel = ANY (").push_bind(names).push(")");
    }
    if let Some(reasons) = &criteria.reasons {
        query.push(" AND reason = ANY (").push_bind(reasons.clone()).push(")");
    }
    if let Some(groups) = &criteria.routing_groups {
        query.push(" AND routing_groups && ").push_bind(groups.clone());
    }
    for users in &criteria.users {
        query.push(" AND users && ").push_bind(users.clone());
    }
}

/// Reads the columns of one row.
fn read(row: &PgRow) -> Result<ArchiveRow, StoreError> {
    Ok(ArchiveRow { id: row.try_get("id")?, body: row.try_get("body")?, before: row.try_get("before")? })
}

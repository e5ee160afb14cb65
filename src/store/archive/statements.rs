//! The statements that search the archive, for both backends.

use sqlx::{Database, QueryBuilder};
use uuid::Uuid;

use super::{ArchiveFilter, COUNTED, PAGE_BYTES, Tags, ids};
use crate::domain::conversation::{Criteria, Medium, Span, millis};
use crate::domain::{TenantId, Time};

/// The parts of a statement that the backends write in their own ways. Each method appends to the statement.
pub(crate) trait ArchiveSql: Database + Sized {
    /// Appends a parameter.
    fn number(query: &mut QueryBuilder<Self>, number: i64);

    /// Appends a parameter.
    fn text(query: &mut QueryBuilder<Self>, text: String);

    /// Appends a parameter.
    fn id(query: &mut QueryBuilder<Self>, id: Uuid);

    /// Appends the condition that a column has one of these values.
    fn is_any_number(query: &mut QueryBuilder<Self>, column: &str, numbers: &[i64]);

    /// Appends the condition that a column has one of these values.
    fn is_any_text(query: &mut QueryBuilder<Self>, column: &str, texts: Vec<String>);

    /// Appends the condition that a column, which is a list, has at least one of these values.
    fn has_any_number(query: &mut QueryBuilder<Self>, column: &str, numbers: &[i64]);

    /// Appends the condition that a column, which is a list, has at least one of these values.
    fn has_any_id(query: &mut QueryBuilder<Self>, column: &str, ids: &[Uuid]);
}

/// Selects a page: the columns of [`ArchiveRow`](super::ArchiveRow), in the order of the span.
pub(crate) fn page<B: ArchiveSql>(
    tenant: TenantId,
    position: u64,
    filter: &ArchiveFilter,
    span: &Span,
) -> QueryBuilder<B> {
    let order = order(span);
    let mut query = QueryBuilder::<B>::new(format!(
        "SELECT id, CASE WHEN before < {PAGE_BYTES} THEN CAST(body AS TEXT) ELSE '' END AS body, before
         FROM (SELECT id, body, closed_ms,
                      CAST(sum(size) OVER (ORDER BY closed_ms {order}, id {order}) - size AS BIGINT) AS before
               FROM (SELECT archive.id, body, size, archive.closed_ms FROM "
    ));
    if let Some(tags) = &filter.tags {
        // One conversation may have several of the tags.
        let distinct = if tags.values.len() > 1 { "DISTINCT " } else { "" };
        query.push(format!("(SELECT {distinct}closed_ms AS tagged_ms, id AS tagged_id FROM archive_tag WHERE "));
        tagged(&mut query, tenant, tags.kind, &tags.values);
        within(&mut query, "", filter.criteria.closed, span);
        // SQLite reads a cross join in its order, and so in that of the index.
        query.push(") AS tagged CROSS JOIN ");
    }
    query.push("archive WHERE archive.tenant = ");
    B::id(&mut query, tenant.0);
    if filter.tags.is_some() {
        query.push(" AND archive.id = tagged_id");
    }
    // Rows newer than the view are left out: the view has these conversations in its own version.
    query.push(" AND seq <= ");
    B::number(&mut query, position as i64);
    restrict(&mut query, &filter.criteria);
    within(&mut query, "archive.", filter.criteria.closed, span);
    let (millis, id) = if filter.tags.is_some() { ("tagged_ms", "tagged_id") } else { ("closed_ms", "id") };
    query.push(format!(" ORDER BY {millis} {order}, {id} {order} LIMIT "));
    B::number(&mut query, span.limit as i64);
    query.push(format!(") AS page) AS placed ORDER BY closed_ms {order}, id {order}"));
    query
}

/// Selects the key at place `rows` of a span, as [`Store::archive_end`](crate::store::Store::archive_end) returns it.
/// Reads an index only, and no row of the archive.
pub(crate) fn end<B: ArchiveSql>(
    tenant: TenantId,
    filter: &ArchiveFilter,
    span: &Span,
    rows: usize,
) -> QueryBuilder<B> {
    let (order, closed) = (order(span), filter.criteria.closed);
    let mut query = QueryBuilder::<B>::new("SELECT closed_ms, id FROM ");
    match &filter.tags {
        // Each tag by itself, in the order of the index: together they would all be read and sorted.
        Some(tags) => {
            query.push("(");
            for (n, value) in tags.values.iter().enumerate() {
                query.push(if n > 0 { " UNION ALL " } else { "" });
                query.push("SELECT * FROM (SELECT closed_ms, id FROM archive_tag WHERE ");
                tagged(&mut query, tenant, tags.kind, std::slice::from_ref(value));
                within(&mut query, "", closed, span);
                query.push(format!(" ORDER BY closed_ms {order}, id {order} LIMIT "));
                B::number(&mut query, rows as i64);
                query.push(format!(") AS tag_{n}"));
            }
            query.push(") AS tags");
        }
        None => {
            query.push("archive WHERE tenant = ");
            B::id(&mut query, tenant.0);
            within(&mut query, "", closed, span);
        }
    }
    query.push(format!(" ORDER BY closed_ms {order}, id {order} LIMIT 1 OFFSET "));
    B::number(&mut query, rows as i64 - 1);
    query
}

/// Counts the tags among these that conversations of an interval have, at most [`COUNTED`].
pub(crate) fn count<B: ArchiveSql>(tenant: TenantId, tags: &Tags, closed: Option<(Time, Time)>) -> QueryBuilder<B> {
    let mut query = QueryBuilder::<B>::new("SELECT count(*) FROM (SELECT 1 FROM archive_tag WHERE ");
    tagged(&mut query, tenant, tags.kind, &tags.values);
    within(&mut query, "", closed, &Span { forward: true, after: None, before: None, limit: 0 });
    query.push(format!(" LIMIT {COUNTED}) AS counted"));
    query
}

fn order(span: &Span) -> &'static str {
    if span.forward { "ASC" } else { "DESC" }
}

/// Appends the tenant and tags of one kind to a WHERE clause over `archive_tag`.
fn tagged<B: ArchiveSql>(query: &mut QueryBuilder<B>, tenant: TenantId, kind: &str, values: &[String]) {
    query.push("tenant = ");
    B::id(query, tenant.0);
    query.push(" AND kind = ");
    B::text(query, kind.to_owned());
    match values {
        // So that the planner sees the order of the index.
        [value] => {
            query.push(" AND value = ");
            B::text(query, value.clone());
        }
        _ => B::is_any_text(query, "value", values.to_vec()),
    }
}

/// Appends an interval and the places that a span lies between to a WHERE clause, with a prefix of the columns.
fn within<B: ArchiveSql>(query: &mut QueryBuilder<B>, prefix: &str, closed: Option<(Time, Time)>, span: &Span) {
    if let Some((from, to)) = closed {
        query.push(format!(" AND {prefix}closed_ms BETWEEN "));
        B::number(query, millis(from));
        query.push(" AND ");
        B::number(query, millis(to));
    }
    for (place, compared) in [(span.after, ">"), (span.before, "<")] {
        let Some(place) = place else { continue };
        query.push(format!(" AND ({prefix}closed_ms, {prefix}id) {compared} ("));
        B::number(query, place.millis);
        query.push(", ");
        B::id(query, place.id);
        query.push(")");
    }
}

/// Appends the criteria to a WHERE clause over `archive`.
fn restrict<B: ArchiveSql>(query: &mut QueryBuilder<B>, criteria: &Criteria) {
    if let Some((from, to)) = criteria.closed {
        // The indexes have milliseconds; the exact bounds apply to the rows found by these.
        query.push(" AND closed BETWEEN ");
        B::number(query, from.micros());
        query.push(" AND ");
        B::number(query, to.micros());
    }
    if let Some(id) = criteria.id {
        query.push(" AND archive.id = ");
        B::id(query, id);
    }
    if let Some(projects) = &criteria.projects {
        B::is_any_number(query, "project", projects);
    }
    if let Some(media) = &criteria.media {
        B::is_any_text(query, "channel", media.iter().copied().map(Medium::name).map(String::from).collect());
    }
    if let Some(reasons) = &criteria.reasons {
        B::is_any_text(query, "reason", reasons.clone());
    }
    if let Some(groups) = &criteria.routing_groups {
        B::has_any_id(query, "routing_groups", groups);
    }
    for users in &criteria.users {
        B::has_any_number(query, "users", &ids(users));
    }
}

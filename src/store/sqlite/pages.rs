//! Reads the rows of all checkpoints from a SQLite file, many in one row of a result: SQLite joins them far faster than
//! single rows pass through the driver.

use sqlx::query::Query;
use sqlx::sqlite::{Sqlite, SqliteArguments, SqliteRow};
use sqlx::{AssertSqlSafe, Row as _};
use uuid::Uuid;

use super::load::mark;
use super::{CheckpointReader, SqliteStore, uuid};
use crate::domain::TenantId;
use crate::store::StoreError;
use crate::store::load::{CheckpointMark, Page, PageRow};

/// Rows of a page. Joined rows of a usual size take less than the 128 KiB from which on the C library's allocator takes
/// memory from the system for each text, and returns it.
const PAGE_ROWS: i64 = 96;
/// Most tenants of a part.
const PART_TENANTS: usize = 256;
/// Parts for each reader, so that a reader with large tenants leaves the rest to the others.
const PARTS_PER_READER: usize = 4;
/// The character between two joined rows. JSON has none; where a key has one, a page is read row by row.
const SEPARATOR: char = '\u{1e}';
/// SQLite's error for a text that is longer than its limit, as joined rows may be.
const TOO_BIG: &str = "18";

/// The rows of `state_row`, in pages.
const STORED: &str = "
    SELECT tenant, kind, key, body FROM state_row
    WHERE (tenant, kind, key) > (?1, ?2, ?3) AND tenant <= ?4 ORDER BY tenant, kind, key LIMIT ?5";
/// Those that no staged row of a current checkpoint replaces or deletes.
const NOT_REPLACED: &str = "
    SELECT tenant, kind, key, body FROM state_row AS s
    WHERE (tenant, kind, key) > (?1, ?2, ?3) AND tenant <= ?4
    AND NOT EXISTS (SELECT 1 FROM checkpoint AS c JOIN state_row_next AS n ON n.tenant = c.tenant
                    WHERE c.tenant = s.tenant AND c.staged AND n.kind = s.kind AND n.key = s.key)
    ORDER BY tenant, kind, key LIMIT ?5";
/// The staged rows of current checkpoints.
const STAGED: &str = "
    SELECT tenant, kind, key, body FROM state_row_next AS n
    WHERE (tenant, kind, key) > (?1, ?2, ?3) AND tenant <= ?4 AND body IS NOT NULL
    AND EXISTS (SELECT 1 FROM checkpoint AS c WHERE c.tenant = n.tenant AND c.staged)
    ORDER BY tenant, kind, key LIMIT ?5";

/// The rows of several tenants, or what is left of them.
#[derive(Debug)]
pub struct Part {
    first: String,
    last: String,
    /// Tenant, kind and key of the row that was read last.
    after: (String, String, String),
    /// The query of the page; `None` before the first one.
    query: Option<&'static str>,
}

/// Divides the tenants, in ascending order, into parts.
fn parts(tenants: &[TenantId], readers: usize) -> Vec<Part> {
    let size = tenants.len().div_ceil(PARTS_PER_READER * readers.max(1)).clamp(1, PART_TENANTS);
    let ranges = tenants.chunks(size).filter_map(|range| Some((range.first()?, range.last()?)));
    ranges.map(|(first, last)| Part::new(first.to_string(), last.to_string())).collect()
}

impl Part {
    fn new(first: String, last: String) -> Self {
        Part { after: before(&first), first, last, query: None }
    }
}

/// A place before the first row of a tenant, as no kind is empty.
fn before(tenant: &str) -> (String, String, String) {
    (tenant.to_owned(), String::new(), String::new())
}

impl SqliteStore {
    pub(crate) async fn read_checkpoints(
        &self,
        tenants: &[TenantId],
        wanted: usize,
    ) -> Result<(Vec<CheckpointMark>, Vec<CheckpointReader>, Vec<Part>), StoreError> {
        // No more than the pool has: the readers keep their connections, so that another one would never be free.
        let wanted = wanted.clamp(1, self.reads.options().get_max_connections() as usize);
        let parts = parts(tenants, wanted);
        let mut first = self.checkpoint_reader().await?;
        let marks = first.marks().await?;
        let mut readers = vec![first];
        while readers.len() < wanted.min(parts.len()) {
            readers.push(self.checkpoint_reader().await?);
        }
        Ok((marks, readers, parts))
    }
}

impl CheckpointReader {
    async fn marks(&mut self) -> Result<Vec<CheckpointMark>, StoreError> {
        let marks = sqlx::query("SELECT tenant, position, batch FROM checkpoint ORDER BY tenant");
        marks.fetch_all(&mut *self.0).await?.iter().map(mark).collect()
    }

    pub(crate) async fn page(&mut self, mut part: Part) -> Result<(Page, Option<Part>), StoreError> {
        let query = match part.query {
            Some(query) => query,
            None if self.has_staged(&part).await? => NOT_REPLACED,
            None => STORED,
        };
        let page = match self.joined(query, &part).await? {
            Some(page) => page,
            None => self.single(query, &part).await?,
        };
        let last = page.rows().last().filter(|_| page.size() == PAGE_ROWS as usize);
        if let Some(PageRow { tenant, kind, key, .. }) = last {
            part.after = (tenant.to_string(), kind.to_owned(), key.to_owned());
            part.query = Some(query);
        } else if query == NOT_REPLACED {
            part.after = before(&part.first);
            part.query = Some(STAGED);
        } else {
            return Ok((page, None));
        }
        Ok((page, Some(part)))
    }

    /// Returns true if a checkpoint of the part has staged rows.
    async fn has_staged(&mut self, part: &Part) -> Result<bool, StoreError> {
        let staged = "SELECT EXISTS (SELECT 1 FROM checkpoint WHERE tenant BETWEEN ?1 AND ?2 AND staged)";
        let staged = sqlx::query_scalar(staged).bind(&part.first).bind(&part.last);
        Ok(staged.fetch_one(&mut *self.0).await?)
    }

    /// Reads a page as one row. `None` if its rows cannot be distinguished, or are too long together.
    async fn joined(&mut self, query: &'static str, part: &Part) -> Result<Option<Page>, StoreError> {
        let joined = format!(
            "SELECT count(*), group_concat(tenant, char(30)), group_concat(kind, char(30)),
                    group_concat(key, char(30)), group_concat(body, char(30)) FROM ({query})"
        );
        match bound(sqlx::query(AssertSqlSafe(joined)), part).fetch_one(&mut *self.0).await {
            Ok(row) => split(&row),
            Err(sqlx::Error::Database(error)) if error.code().is_some_and(|code| code == TOO_BIG) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Reads a page row by row.
    async fn single(&mut self, query: &'static str, part: &Part) -> Result<Page, StoreError> {
        let mut page = Page::default();
        for row in bound(sqlx::query(query), part).fetch_all(&mut *self.0).await? {
            let tenant = TenantId(uuid(row.try_get(0)?)?);
            page.push(PageRow { tenant, kind: row.try_get(1)?, key: row.try_get(2)?, body: row.try_get(3)? });
        }
        Ok(page)
    }
}

fn bound<'q>(query: Query<'q, Sqlite, SqliteArguments>, part: &'q Part) -> Query<'q, Sqlite, SqliteArguments> {
    let (tenant, kind, key) = &part.after;
    query.bind(tenant).bind(kind).bind(key).bind(&part.last).bind(PAGE_ROWS)
}

/// Splits the joined columns of a page. `None` if one of them has the separator within a row.
fn split(row: &SqliteRow) -> Result<Option<Page>, StoreError> {
    let count: i64 = row.try_get(0)?;
    let mut page = Page::default();
    if count == 0 {
        return Ok(Some(page));
    }
    let column = |at: usize| Ok::<&str, sqlx::Error>(row.try_get::<Option<&str>, _>(at)?.unwrap_or_default());
    let columns = [column(1)?, column(2)?, column(3)?, column(4)?];
    // Each text has at least as many parts as there are rows, and more only if a row has the separator.
    if columns.iter().any(|text| text.matches(SEPARATOR).count() as i64 != count - 1) {
        return Ok(None);
    }
    let [tenants, kinds, keys, bodies] = columns.map(|text| text.split(SEPARATOR));
    let (mut newest, mut id) = ("", Uuid::nil());
    for (((tenant, kind), key), body) in tenants.zip(kinds).zip(keys).zip(bodies) {
        if tenant != newest {
            (newest, id) = (tenant, uuid(tenant)?);
        }
        page.push(PageRow { tenant: TenantId(id), kind, key, body });
    }
    Ok(Some(page))
}

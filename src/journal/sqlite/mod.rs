//! The journal in a SQLite file: WAL, `synchronous=FULL`, four statements in one transaction per batch.

mod writer;

use std::collections::{HashMap, HashSet};

use sqlx::sqlite::{SqliteConnection, SqliteRow};
use sqlx::{Connection, Row};
use uuid::Uuid;

use super::{Appended, Batch, Draft, Head, JournalError, Logged, Placement, Stored};
use crate::domain::{TenantId, Time};

pub use writer::{Writer, WriterGuard};

/// The journal in a file.
#[derive(Debug)]
pub struct SqliteJournal {
    writer: Writer,
    pub(super) apply_version: u32,
    /// The id of this server's row in `replica`.
    pub(super) replica: Uuid,
}

impl SqliteJournal {
    /// Makes a journal that writes through `writer`.
    #[expect(clippy::disallowed_methods, reason = "names this server; no entry of the journal has it")]
    pub fn new(writer: Writer, apply_version: u32) -> Self {
        SqliteJournal { writer, apply_version, replica: Uuid::new_v4() }
    }

    /// Acquires the writing connection once. A holder that failed did not give it back, so this opens a fresh one.
    pub(super) async fn recover(&mut self) -> Result<(), JournalError> {
        self.writer.acquire().await?.release();
        Ok(())
    }

    /// Takes and releases SQLite's write lock. It waits for the previous connection: a commit that was sent keeps the
    /// lock until it is done, and one that was not sent can no longer happen.
    pub(super) async fn fence(&mut self) -> Result<(), JournalError> {
        let mut writer = self.writer.acquire().await?;
        writer.begin_with("BEGIN IMMEDIATE").await?.rollback().await?;
        writer.release();
        Ok(())
    }

    pub(super) async fn confirm(&mut self) -> Result<Option<Time>, JournalError> {
        let mut writer = self.writer.acquire().await?;
        // Reads a table: an open connection alone does not show that the file can be read.
        sqlx::query("SELECT 1 FROM head LIMIT 1").execute(&mut *writer).await?;
        writer.release();
        // A file has no clock of its own.
        Ok(None)
    }

    /// Writes this server's row in place of those that other servers left behind: the file's lock shows that they ended.
    pub(super) async fn probe(&mut self) -> Result<(), JournalError> {
        let mut writer = self.writer.acquire().await?;
        let mut transaction = writer.begin_with("BEGIN IMMEDIATE").await?;
        let id = self.replica.to_string();
        sqlx::query("DELETE FROM replica WHERE id <> ?1").bind(&id).execute(&mut *transaction).await?;
        sqlx::query("INSERT INTO replica VALUES (?1, 1) ON CONFLICT (id) DO UPDATE SET turns = turns + 1")
            .bind(&id)
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        writer.release();
        Ok(())
    }

    pub(super) async fn end(&mut self) -> Result<(), JournalError> {
        let mut writer = self.writer.acquire().await?;
        sqlx::query("DELETE FROM replica").execute(&mut *writer).await?;
        writer.release();
        Ok(())
    }

    pub(super) async fn append(&mut self, batch: Batch<'_>) -> Result<Appended, JournalError> {
        let mut writer = self.writer.acquire().await?;
        // Takes the write lock at once: a transaction that reads first can fail when it begins to write.
        let mut transaction = writer.begin_with("BEGIN IMMEDIATE").await?;
        let tenants: HashSet<Uuid> = batch.drafts.iter().map(|draft| draft.tenant.0).collect();
        let rows = sqlx::query(
            "SELECT tenant, seq, recorded, tail, apply_version FROM head WHERE tenant IN (SELECT value FROM json_each(?1))",
        )
        .bind(json(&tenants))
        .fetch_all(&mut *transaction)
        .await?;
        let mut heads: HashMap<TenantId, Head> = rows.iter().map(head).collect::<Result<_, sqlx::Error>>()?;
        let others: HashMap<TenantId, u32> = heads
            .iter()
            .filter_map(|(tenant, head)| Some((*tenant, head.other_version(self.apply_version)?)))
            .collect();
        heads.retain(|tenant, _| !others.contains_key(tenant));
        for head in heads.values_mut() {
            // Recorded times never go back within a tenant, even if service time did since the last start.
            head.recorded = head.recorded.max(batch.recorded.micros());
        }
        let recorded = |draft: &Draft| heads.get(&draft.tenant).map(|head| head.recorded);
        let claims: Vec<_> = batch
            .drafts
            .iter()
            .filter_map(|d| Some((d.tenant.0, &d.event.id.source, &d.event.id.id, recorded(d)?)))
            .collect();
        // Returns only the ids that are new. "WHERE true" is needed: without it SQLite's parser takes ON CONFLICT for a
        // join of the SELECT.
        let fresh = sqlx::query(
            "INSERT INTO seen (tenant, source, event_id, recorded)
             SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3 FROM json_each(?1) WHERE true
             ON CONFLICT DO NOTHING RETURNING tenant, source, event_id",
        )
        .bind(json(&claims))
        .fetch_all(&mut *transaction)
        .await?;
        let fresh = fresh.iter().map(|row| Ok((uuid(row.try_get(0)?)?, row.try_get(1)?, row.try_get(2)?)));
        let mut placed = Placed::new(&batch, &heads, fresh.collect::<Result<_, sqlx::Error>>()?);
        placed.note_deleted(&batch, &known(&mut transaction, &placed.missing(&batch)).await?);
        placed.note_others(&batch, &others);
        placed.date_repeats(&batch, &repeated(&mut transaction, &placed.repeats(&batch)).await?);
        sqlx::query(
            "INSERT INTO journal (tenant, seq, recorded, source, event_id, apply_version, batch, event)
             SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, ?2, ?3, value ->> 5
             FROM json_each(?1)",
        )
        .bind(json(&placed.rows))
        .bind(self.apply_version)
        .bind(batch.id.to_string())
        .execute(&mut *transaction)
        .await?;
        sqlx::query(
            "UPDATE head SET seq = input.value ->> 1, recorded = input.value ->> 2, tail = ?2, apply_version = ?3
             FROM json_each(?1) AS input WHERE head.tenant = input.value ->> 0",
        )
        .bind(json(&placed.moved))
        .bind(batch.id.to_string())
        .bind(self.apply_version)
        .execute(&mut *transaction)
        .await?;
        let placements = placed.placements;
        transaction.commit().await?;
        writer.release();
        Ok(Appended { placements, heads })
    }

    pub(super) async fn heads(&mut self) -> Result<HashMap<TenantId, Head>, JournalError> {
        let mut writer = self.writer.acquire().await?;
        let rows =
            sqlx::query("SELECT tenant, seq, recorded, tail, apply_version FROM head").fetch_all(&mut *writer).await?;
        writer.release();
        Ok(rows.iter().map(head).collect::<Result<_, sqlx::Error>>()?)
    }

    /// Raises the heads that the stored checkpoints are at. Nothing else writes meanwhile.
    pub(super) async fn raise(&mut self, tenants: &[TenantId]) -> Result<Vec<TenantId>, JournalError> {
        let mut writer = self.writer.acquire().await?;
        let raised: Vec<String> = sqlx::query_scalar(
            "UPDATE head SET apply_version = ?2
             FROM checkpoint WHERE checkpoint.tenant = head.tenant AND checkpoint.position = head.seq
               AND (checkpoint.batch = head.tail OR checkpoint.batch IS NULL OR head.tail IS NULL)
               AND head.seq > 0 AND head.apply_version < ?2 AND head.tenant IN (SELECT value FROM json_each(?1))
             RETURNING tenant",
        )
        .bind(json(&tenants))
        .bind(self.apply_version)
        .fetch_all(&mut *writer)
        .await?;
        writer.release();
        Ok(raised.iter().map(|tenant| uuid(tenant).map(TenantId)).collect::<Result<_, sqlx::Error>>()?)
    }

    pub(super) async fn read(&mut self, tenant: TenantId, after: u64, limit: u32) -> Result<Vec<Logged>, JournalError> {
        let mut writer = self.writer.acquire().await?;
        let rows = sqlx::query(
            "SELECT seq, recorded, source, event_id, apply_version, batch, event
             FROM journal WHERE tenant = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3",
        )
        .bind(tenant.to_string())
        .bind(after as i64)
        .bind(limit)
        .fetch_all(&mut *writer)
        .await?;
        writer.release();
        rows.iter().map(|row| stored(row)?.read(tenant, self.apply_version)).collect()
    }
}

/// A journal row: tenant, position, recorded, source, id, event.
type JournalRow<'a> = (Uuid, u64, i64, &'a str, &'a str, &'a str);

/// The placements of a batch, and the rows to be written for them.
struct Placed<'a> {
    placements: Vec<Placement>,
    rows: Vec<JournalRow<'a>>,
    /// The heads to update: tenant, position, recorded.
    moved: Vec<(Uuid, u64, i64)>,
}

impl<'a> Placed<'a> {
    /// Numbers the drafts with ids in `fresh`, from each tenant's head on. Of two drafts with one id the first is
    /// placed.
    fn new(batch: &Batch<'a>, heads: &HashMap<TenantId, Head>, mut fresh: HashSet<(Uuid, String, String)>) -> Self {
        let mut ends = heads.clone();
        let mut placements = Vec::with_capacity(batch.drafts.len());
        let mut rows = Vec::with_capacity(batch.drafts.len());
        for draft in batch.drafts {
            let id = &draft.event.id;
            let Some(end) = ends.get_mut(&draft.tenant) else {
                placements.push(Placement::Missing);
                continue;
            };
            if fresh.remove(&(draft.tenant.0, id.source.to_string(), id.id.to_string())) {
                end.seq += 1;
                placements.push(Placement::Placed(end.seq));
                rows.push((draft.tenant.0, end.seq, end.recorded, &*id.source, &*id.id, draft.json.as_str()));
            } else {
                placements.push(Placement::Duplicate(Time::NEVER));
            }
        }
        let moved = ends.iter().filter(|(tenant, end)| heads.get(tenant).is_some_and(|head| head.seq < end.seq));
        let moved = moved.map(|(tenant, end)| (tenant.0, end.seq, end.recorded)).collect();
        Placed { placements, rows, moved }
    }

    /// The tenants without a head.
    fn missing(&self, batch: &Batch<'a>) -> HashSet<Uuid> {
        let drafts = batch.drafts.iter().zip(&self.placements);
        let missing = drafts.filter(|(_, placement)| **placement == Placement::Missing);
        missing.map(|(draft, _)| draft.tenant.0).collect()
    }

    /// Sets the placements of tenants without a head that are not `known` to [`Placement::Deleted`].
    fn note_deleted(&mut self, batch: &Batch<'_>, known: &HashSet<Uuid>) {
        for (draft, placement) in batch.drafts.iter().zip(&mut self.placements) {
            if *placement == Placement::Missing && !known.contains(&draft.tenant.0) {
                *placement = Placement::Deleted;
            }
        }
    }

    /// Sets the placements of the tenants whose entries are of another apply version.
    fn note_others(&mut self, batch: &Batch<'_>, others: &HashMap<TenantId, u32>) {
        for (draft, placement) in batch.drafts.iter().zip(&mut self.placements) {
            if let Some(version) = others.get(&draft.tenant) {
                *placement = Placement::OtherVersion(*version);
            }
        }
    }

    /// The drafts with ids that were placed before.
    fn repeats(&self, batch: &Batch<'a>) -> Vec<SeenId<'a>> {
        let drafts = batch.drafts.iter().zip(&self.placements);
        let repeats = drafts.filter(|(_, placement)| matches!(placement, Placement::Duplicate(_)));
        repeats.map(|(draft, _)| seen_id(draft)).collect()
    }

    /// Sets the recorded times of the repeats.
    fn date_repeats(&mut self, batch: &Batch<'_>, recorded: &HashMap<(Uuid, String, String), Time>) {
        for (draft, placement) in batch.drafts.iter().zip(&mut self.placements) {
            if let Placement::Duplicate(at) = placement {
                let (tenant, source, id) = seen_id(draft);
                *at = recorded.get(&(tenant, source.to_owned(), id.to_owned())).copied().unwrap_or(Time::NEVER);
            }
        }
    }
}

/// A tenant, and the source and id of an event.
type SeenId<'a> = (Uuid, &'a str, &'a str);

fn seen_id(draft: &Draft) -> SeenId<'_> {
    (draft.tenant.0, &draft.event.id.source, &draft.event.id.id)
}

/// Returns those of these tenants that exist and were not deleted.
async fn known(connection: &mut SqliteConnection, tenants: &HashSet<Uuid>) -> Result<HashSet<Uuid>, sqlx::Error> {
    if tenants.is_empty() {
        return Ok(HashSet::new());
    }
    let rows = sqlx::query("SELECT id FROM tenant WHERE deleted IS NULL AND id IN (SELECT value FROM json_each(?1))")
        .bind(json(tenants))
        .fetch_all(connection)
        .await?;
    rows.iter().map(|row| uuid(row.try_get(0)?)).collect()
}

/// Returns the recorded times at which these ids were placed.
async fn repeated(
    connection: &mut SqliteConnection,
    ids: &[SeenId<'_>],
) -> Result<HashMap<(Uuid, String, String), Time>, sqlx::Error> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let rows = sqlx::query(
        "SELECT tenant, source, event_id, recorded FROM json_each(?1) JOIN seen
         ON tenant = value ->> 0 AND source = value ->> 1 AND event_id = value ->> 2",
    )
    .bind(json(&ids))
    .fetch_all(connection)
    .await?;
    let read = |row: &SqliteRow| {
        let id = (uuid(row.try_get(0)?)?, row.try_get(1)?, row.try_get(2)?);
        Ok((id, Time::from_micros(row.try_get(3)?)))
    };
    rows.iter().map(read).collect()
}

fn head(row: &SqliteRow) -> Result<(TenantId, Head), sqlx::Error> {
    let head = Head {
        seq: row.try_get::<i64, _>("seq")? as u64,
        recorded: row.try_get("recorded")?,
        // A text that is no id is that of no batch, which puts this tenant out of service and no other.
        tail: row.try_get::<Option<&str>, _>("tail")?.map(|text| Uuid::try_parse(text).unwrap_or_default()),
        apply_version: row.try_get("apply_version")?,
    };
    Ok((TenantId(uuid(row.try_get("tenant")?)?), head))
}

fn batch(text: Option<&str>) -> Result<Option<Uuid>, sqlx::Error> {
    text.map(uuid).transpose()
}

fn stored(row: &SqliteRow) -> Result<Stored, sqlx::Error> {
    Ok(Stored {
        seq: row.try_get("seq")?,
        recorded: row.try_get("recorded")?,
        source: row.try_get("source")?,
        event_id: row.try_get("event_id")?,
        apply_version: row.try_get("apply_version")?,
        batch: batch(row.try_get("batch")?)?,
        event: row.try_get("event")?,
    })
}

/// Serialises the rows of a statement as one JSON array, so that the statement's text and its number of parameters do
/// not depend on the number of rows. Serialising plain tuples cannot fail.
fn json<T: serde::Serialize>(rows: &T) -> String {
    serde_json::to_string(rows).unwrap_or_default()
}

fn uuid(text: &str) -> Result<Uuid, sqlx::Error> {
    Uuid::try_parse(text).map_err(|error| sqlx::Error::Decode(error.into()))
}

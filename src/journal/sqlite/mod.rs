//! The journal in a SQLite file: WAL, `synchronous=FULL`, a handful of statements a batch.

mod writer;

use std::collections::{HashMap, HashSet};

use sqlx::sqlite::SqliteRow;
use sqlx::{Connection, Row};
use uuid::Uuid;

use super::{Draft, Head, JournalError, Stored};
use crate::domain::{Entry, TenantId, Time};

pub use writer::{Held, Writer};

/// The journal in a file.
#[derive(Debug)]
pub struct SqliteJournal {
    writer: Writer,
    apply_version: u32,
}

impl SqliteJournal {
    /// A journal that writes through `writer`.
    pub fn new(writer: Writer, apply_version: u32) -> Self {
        SqliteJournal { writer, apply_version }
    }

    pub(super) async fn recover(&mut self) -> Result<(), JournalError> {
        // Whoever failed did not give the connection back; holding it once makes a fresh one.
        self.writer.hold().await?.give_back();
        Ok(())
    }

    pub(super) async fn confirm(&mut self) -> Result<(), JournalError> {
        let mut held = self.writer.hold().await?;
        sqlx::query("SELECT 1 FROM head LIMIT 1").execute(&mut *held).await?;
        held.give_back();
        Ok(())
    }

    pub(super) async fn append(&mut self, recorded: Time, batch: &[Draft]) -> Result<Vec<Option<u64>>, JournalError> {
        let mut held = self.writer.hold().await?;
        let mut transaction = held.begin_with("BEGIN IMMEDIATE").await?;

        let claims: Vec<_> = batch.iter().map(|d| (d.tenant.0, &d.event.id.source, &d.event.id.id)).collect();
        let fresh = sqlx::query(
            "INSERT INTO seen (tenant, source, event_id, recorded)
             SELECT value ->> 0, value ->> 1, value ->> 2, ?2 FROM json_each(?1) WHERE true
             ON CONFLICT DO NOTHING RETURNING tenant, source, event_id",
        )
        .bind(json(&claims))
        .bind(recorded.micros())
        .fetch_all(&mut *transaction)
        .await?;
        let mut fresh: HashSet<(Uuid, String, String)> = fresh
            .iter()
            .map(|row| Ok((uuid(row.try_get(0)?)?, row.try_get(1)?, row.try_get(2)?)))
            .collect::<Result<_, sqlx::Error>>()?;

        let mut heads: HashMap<TenantId, u64> = HashMap::new();
        for tenant in batch.iter().map(|draft| draft.tenant) {
            if let std::collections::hash_map::Entry::Vacant(head) = heads.entry(tenant) {
                let seq: i64 = sqlx::query_scalar("SELECT seq FROM head WHERE tenant = ?1")
                    .bind(tenant.to_string())
                    .fetch_one(&mut *transaction)
                    .await?;
                head.insert(seq as u64);
            }
        }

        let mut positions = Vec::with_capacity(batch.len());
        let mut rows = Vec::with_capacity(batch.len());
        for draft in batch {
            let id = &draft.event.id;
            let is_fresh = fresh.remove(&(draft.tenant.0, id.source.to_string(), id.id.to_string()));
            let head = heads.get_mut(&draft.tenant).filter(|_| is_fresh);
            positions.push(head.map(|head| {
                *head += 1;
                rows.push((draft.tenant.0, *head, &id.source, &id.id, &draft.json));
                *head
            }));
        }
        sqlx::query(
            "INSERT INTO journal (tenant, seq, recorded, source, event_id, apply_version, event)
             SELECT value ->> 0, value ->> 1, ?2, value ->> 2, value ->> 3, ?3, value ->> 4 FROM json_each(?1)",
        )
        .bind(json(&rows))
        .bind(recorded.micros())
        .bind(self.apply_version)
        .execute(&mut *transaction)
        .await?;
        let heads: Vec<_> = heads.iter().map(|(tenant, seq)| (tenant.0, *seq)).collect();
        sqlx::query(
            "UPDATE head SET seq = input.value ->> 1, recorded = ?2
             FROM json_each(?1) AS input WHERE head.tenant = input.value ->> 0",
        )
        .bind(json(&heads))
        .bind(recorded.micros())
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        held.give_back();
        Ok(positions)
    }

    pub(super) async fn archived(
        &mut self,
        conversations: &[(TenantId, Uuid)],
    ) -> Result<HashSet<(TenantId, Uuid)>, JournalError> {
        let mut held = self.writer.hold().await?;
        let rows = sqlx::query(
            "SELECT tenant, id FROM archive
             WHERE (tenant, id) IN (SELECT value ->> 0, value ->> 1 FROM json_each(?1))",
        )
        .bind(json(&conversations))
        .fetch_all(&mut *held)
        .await?;
        held.give_back();
        rows.iter().map(|row| Ok((TenantId(uuid(row.try_get(0)?)?), uuid(row.try_get(1)?)?))).collect()
    }

    pub(super) async fn heads(&mut self) -> Result<HashMap<TenantId, Head>, JournalError> {
        let mut held = self.writer.hold().await?;
        let rows = sqlx::query("SELECT tenant, seq, recorded FROM head").fetch_all(&mut *held).await?;
        held.give_back();
        rows.iter()
            .map(|row| {
                let head = Head { seq: row.try_get::<i64, _>(1)? as u64, recorded: row.try_get(2)? };
                Ok((TenantId(uuid(row.try_get(0)?)?), head))
            })
            .collect()
    }

    pub(super) async fn read(&mut self, tenant: TenantId, after: u64, limit: u32) -> Result<Vec<Entry>, JournalError> {
        let mut held = self.writer.hold().await?;
        let rows = sqlx::query(
            "SELECT seq, recorded, source, event_id, apply_version, event
             FROM journal WHERE tenant = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3",
        )
        .bind(tenant.to_string())
        .bind(after as i64)
        .bind(limit)
        .fetch_all(&mut *held)
        .await?;
        held.give_back();
        rows.iter().map(|row| stored(row)?.read(tenant, self.apply_version)).collect()
    }
}

fn stored(row: &SqliteRow) -> Result<Stored, sqlx::Error> {
    Ok(Stored {
        seq: row.try_get("seq")?,
        recorded: row.try_get("recorded")?,
        source: row.try_get("source")?,
        event_id: row.try_get("event_id")?,
        apply_version: row.try_get("apply_version")?,
        event: row.try_get("event")?,
    })
}

/// The rows of one statement as a JSON array: one parameter, and one text to prepare, whatever their number.
/// Serialising plain tuples cannot fail.
fn json<T: serde::Serialize>(rows: &T) -> String {
    serde_json::to_string(rows).unwrap_or_default()
}

fn uuid(text: &str) -> Result<Uuid, sqlx::Error> {
    Uuid::try_parse(text).map_err(|error| sqlx::Error::Decode(error.into()))
}

//! The journal on PostgreSQL: one statement and one round trip a batch, on a connection of its own.

use std::collections::{HashMap, HashSet};

use sqlx::postgres::{PgConnectOptions, PgConnection, PgRow};
use sqlx::{Connection, Row};
use uuid::Uuid;

use super::{Draft, Head, JournalError, Stored};
use crate::domain::{Entry, TenantId, Time};

/// Held for as long as a server runs on a database; a second server does not get it. The digits spell "roll".
const SERVER_LOCK: i64 = 0x726f_6c6c;

/// Locks the heads in the order of tenants, drops the ids seen before, and gives the rest their positions. The heads
/// are locked before anything is inserted because the inserts join them.
const APPEND: &str = "
WITH input AS (
    SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[])
        WITH ORDINALITY AS t (tenant, source, event_id, event, ord)
), held AS (
    SELECT tenant, seq FROM head WHERE tenant = ANY ($7) ORDER BY tenant FOR UPDATE
), fresh AS (
    INSERT INTO seen (tenant, source, event_id, recorded)
    SELECT i.tenant, i.source, i.event_id, $5 FROM input i JOIN held USING (tenant)
    ON CONFLICT DO NOTHING
    RETURNING tenant, source, event_id
), placed AS (
    SELECT i.ord, i.tenant, i.source, i.event_id, i.event,
           held.seq + row_number() OVER (PARTITION BY i.tenant ORDER BY i.ord) AS seq
    FROM input i JOIN fresh USING (tenant, source, event_id) JOIN held ON held.tenant = i.tenant
), written AS (
    INSERT INTO journal (tenant, seq, recorded, source, event_id, apply_version, event)
    SELECT tenant, seq, $5, source, event_id, $6, event::json FROM placed
), moved AS (
    UPDATE head SET seq = last.seq, recorded = $5
    FROM (SELECT tenant, max(seq) AS seq FROM placed GROUP BY tenant) AS last
    WHERE head.tenant = last.tenant AND head.tenant = ANY ($7)
)
SELECT ord, seq FROM placed";

/// The journal's connection and how to make it anew.
#[derive(Debug)]
pub struct PostgresJournal {
    options: PgConnectOptions,
    connection: Option<PgConnection>,
    apply_version: u32,
}

impl PostgresJournal {
    /// Connects, and takes the server's lock: [`JournalError::Taken`] if another server has it.
    pub async fn open(options: PgConnectOptions, apply_version: u32) -> Result<Self, JournalError> {
        let mut journal = PostgresJournal { options, connection: None, apply_version };
        journal.recover().await?;
        Ok(journal)
    }

    pub(super) async fn recover(&mut self) -> Result<(), JournalError> {
        // Dropped rather than closed: whatever it was doing, it is not to be waited for.
        self.connection = None;
        let mut connection = PgConnection::connect_with(&self.options).await?;
        let taken: bool =
            sqlx::query_scalar("SELECT pg_try_advisory_lock($1)").bind(SERVER_LOCK).fetch_one(&mut connection).await?;
        if !taken {
            return Err(JournalError::Taken);
        }
        self.connection = Some(connection);
        Ok(())
    }

    /// The lock lives with the connection: while it answers, no other server has the store.
    pub(super) async fn confirm(&mut self) -> Result<(), JournalError> {
        sqlx::query("SELECT 1").execute(self.connection()?).await?;
        Ok(())
    }

    pub(super) async fn append(&mut self, recorded: Time, batch: &[Draft]) -> Result<Vec<Option<u64>>, JournalError> {
        let version = self.apply_version as i32;
        // Of two equal ids in one statement both would be joined with the one that is fresh.
        let mut taken = HashSet::with_capacity(batch.len());
        let places: Vec<usize> =
            (0..batch.len()).filter(|n| taken.insert((batch[*n].tenant, &batch[*n].event.id))).collect();
        let first = || places.iter().map(|n| &batch[*n]);
        let tenants: Vec<Uuid> = first().map(|draft| draft.tenant.0).collect();
        let heads: Vec<Uuid> = tenants.iter().copied().collect::<HashSet<_>>().into_iter().collect();
        let sources: Vec<&str> = first().map(|draft| &*draft.event.id.source).collect();
        let ids: Vec<&str> = first().map(|draft| &*draft.event.id.id).collect();
        let events: Vec<&str> = first().map(|draft| draft.json.as_str()).collect();
        let placed: Vec<(i64, i64)> = sqlx::query_as(APPEND)
            .bind(tenants)
            .bind(sources)
            .bind(ids)
            .bind(events)
            .bind(recorded.micros())
            .bind(version)
            .bind(heads)
            .fetch_all(self.connection()?)
            .await?;
        let mut positions = vec![None; batch.len()];
        for (ord, seq) in placed {
            positions[places[ord as usize - 1]] = Some(seq as u64);
        }
        Ok(positions)
    }

    pub(super) async fn archived(
        &mut self,
        conversations: &[(TenantId, Uuid)],
    ) -> Result<HashSet<(TenantId, Uuid)>, JournalError> {
        let (tenants, ids): (Vec<Uuid>, Vec<Uuid>) = conversations.iter().map(|(tenant, id)| (tenant.0, *id)).unzip();
        let rows: Vec<(Uuid, Uuid)> = sqlx::query_as(
            "SELECT tenant, id FROM archive JOIN unnest($1::uuid[], $2::uuid[]) AS asked (tenant, id) USING (tenant, id)",
        )
        .bind(tenants)
        .bind(ids)
        .fetch_all(self.connection()?)
        .await?;
        Ok(rows.into_iter().map(|(tenant, id)| (TenantId(tenant), id)).collect())
    }

    pub(super) async fn heads(&mut self) -> Result<HashMap<TenantId, Head>, JournalError> {
        // FOR SHARE waits for a transaction of ours that a lost connection left running.
        let rows = sqlx::query("SELECT tenant, seq, recorded FROM head ORDER BY tenant FOR SHARE")
            .fetch_all(self.connection()?)
            .await?;
        rows.iter()
            .map(|row| {
                let head = Head { seq: row.try_get::<i64, _>("seq")? as u64, recorded: row.try_get("recorded")? };
                Ok((TenantId(row.try_get("tenant")?), head))
            })
            .collect()
    }

    pub(super) async fn read(&mut self, tenant: TenantId, after: u64, limit: u32) -> Result<Vec<Entry>, JournalError> {
        let version = self.apply_version;
        let rows = sqlx::query(
            "SELECT seq, recorded, source, event_id, apply_version, event::text AS event
             FROM journal WHERE tenant = $1 AND seq > $2 ORDER BY seq LIMIT $3",
        )
        .bind(tenant.0)
        .bind(after as i64)
        .bind(i64::from(limit))
        .fetch_all(self.connection()?)
        .await?;
        rows.iter().map(|row| stored(row)?.read(tenant, version)).collect()
    }

    fn connection(&mut self) -> Result<&mut PgConnection, JournalError> {
        Ok(self.connection.as_mut().ok_or(sqlx::Error::WorkerCrashed)?)
    }
}

fn stored(row: &PgRow) -> Result<Stored, sqlx::Error> {
    Ok(Stored {
        seq: row.try_get("seq")?,
        recorded: row.try_get("recorded")?,
        source: row.try_get("source")?,
        event_id: row.try_get("event_id")?,
        apply_version: row.try_get::<i32, _>("apply_version")? as u32,
        event: row.try_get("event")?,
    })
}

//! The work that one server does for all servers on a database: a row each, held for a few seconds.

use std::collections::HashMap;

use sqlx::Connection;
use sqlx::postgres::PgConnection;
use uuid::Uuid;

use super::PostgresJournal;
use crate::journal::{Claim, Duty, JournalError, Round};

/// The time for which a duty is held after a round, in microseconds.
const HELD: i64 = 5_000_000;

/// Raises this server's counter, renews the duties that it holds, and claims free ones. It holds no more than an equal share
/// after a claim, so that several servers share the duties out. A duty is free if its time is over, or its holder has no row
/// or is gone. Nothing waits for a duty that another server is claiming.
///
/// The rows that are returned are the duties held, by name, and the other servers with their counters.
const ROUND: &str = "
WITH clock AS MATERIALIZED (
    SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS now
), own AS (
    INSERT INTO replica (id, turns, rounds, apply_version) VALUES ($1, 1, 1, $6)
    ON CONFLICT (id) DO UPDATE SET turns = replica.turns + 1, rounds = replica.rounds + 1
), removed AS (
    DELETE FROM replica WHERE id = ANY (ARRAY(
        SELECT id FROM replica WHERE id = ANY ($3) AND id <> $1 FOR UPDATE SKIP LOCKED))
), others AS MATERIALIZED (
    SELECT id, rounds FROM replica WHERE id <> $1
), open AS MATERIALIZED (
    SELECT name, holder IS NOT DISTINCT FROM $1 AS is_held FROM duty
    WHERE name = ANY ($4) AND (
        holder IS NULL OR holder = $1 OR holder = ANY ($2) OR until < (SELECT now FROM clock)
        OR holder NOT IN (SELECT id FROM others)
    ) ORDER BY name FOR UPDATE SKIP LOCKED
), ranked AS (
    SELECT name, is_held, row_number() OVER (ORDER BY is_held DESC, name DESC) AS rank FROM open
), share AS (
    SELECT ceil(cardinality($4) / (1.0 + count(*))) AS duties FROM others WHERE id <> ALL ($2)
), held AS (
    UPDATE duty SET holder = $1, until = clock.now + $5
    FROM ranked, clock, share
    WHERE duty.name = ranked.name AND (ranked.is_held OR ranked.rank <= share.duties)
    RETURNING duty.name
)
SELECT name, NULL::uuid AS id, 0::bigint AS rounds FROM held
UNION ALL
SELECT NULL, id, rounds FROM others";

/// The key of the advisory lock of servers that end: one after the other, so that the last one finds no other. The digits
/// spell "ends" in ASCII.
const END_LOCK: i64 = 0x656e_6473;

/// One row of [`ROUND`].
type Found = (Option<String>, Option<Uuid>, i64);

impl PostgresJournal {
    /// Does a round, in one short transaction.
    pub(in crate::journal) async fn round(&mut self, claim: &Claim) -> Result<Round, JournalError> {
        let names: Vec<&str> = Duty::ALL.iter().map(|duty| duty.name()).collect();
        let round = sqlx::query_as(ROUND).bind(self.replica).bind(&claim.gone).bind(&claim.removed);
        let mut session = self.session()?;
        let round = round.bind(names).bind(HELD).bind(self.apply_version as i32);
        let rows = round.fetch_all(&mut session).await;
        let rows: Vec<Found> = self.keep(session, rows)?;
        let (mut held, mut others) = (Vec::new(), HashMap::new());
        for (name, id, rounds) in rows {
            held.extend(Duty::ALL.into_iter().filter(|duty| name.as_deref() == Some(duty.name())));
            others.extend(id.map(|id| (id, rounds)));
        }
        Ok(Round { held, others })
    }

    /// Deletes this server's row, which frees its duties. Returns true if no other row of this apply version is left, but for
    /// those of `gone`.
    pub(in crate::journal) async fn end(&mut self, gone: &[Uuid]) -> Result<bool, JournalError> {
        let mut session = self.session()?;
        let ended = self.end_on(&mut session, gone).await;
        self.keep(session, ended)
    }

    /// Ends in a transaction, whose later statements are not executed before the servers that ended earlier have committed.
    async fn end_on(&self, session: &mut PgConnection, gone: &[Uuid]) -> Result<bool, sqlx::Error> {
        let mut ending = session.begin().await?;
        sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(END_LOCK).execute(&mut *ending).await?;
        sqlx::query("DELETE FROM replica WHERE id = $1").bind(self.replica).execute(&mut *ending).await?;
        let left = "SELECT NOT EXISTS (SELECT FROM replica WHERE apply_version = $1 AND id <> ALL ($2))";
        let left = sqlx::query_scalar(left).bind(self.apply_version as i32).bind(gone);
        let is_last = left.fetch_one(&mut *ending).await?;
        ending.commit().await?;
        Ok(is_last)
    }
}

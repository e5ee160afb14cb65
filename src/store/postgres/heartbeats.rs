//! The table of heartbeats on PostgreSQL, written by one statement for many sessions, on a connection of its own.
//!
//! Times in the table are lease time: the database's clock without the stretches in which no server wrote there. A
//! stretch of more than half a second and up to five moves all deadlines by its length. After a longer one, and after a
//! jump of the clock, every session counts as heard at that moment.

use std::time::Duration;

use sqlx::postgres::PgConnection;
use uuid::Uuid;

use crate::domain::{TenantId, Time};
use crate::journal::Sessions;
use crate::store::StoreError;
use crate::store::heartbeats::{Heard, Incarnation, Reading, Signs};

/// The time between two writes beyond which the stretch counts as one without heartbeats, in microseconds.
const GAP: i64 = 500_000;
/// The length of such a stretch beyond which every lease gets a full term, in microseconds.
const LONG_GAP: i64 = 5_000_000;

/// The clock, as `at`, and the row of the table that shows the last write, as `last`. `$1` is the time to use in place of
/// the clock's, or null.
macro_rules! clock {
    () => {
        "WITH clock AS MATERIALIZED (
             SELECT coalesce($1::bigint, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint) AS at
         ), last AS MATERIALIZED (
             SELECT alive, moved FROM heartbeat
             WHERE tenant = '00000000-0000-0000-0000-000000000000' AND user_id = 0 AND session = '' FOR UPDATE
         )"
    };
}

/// Notes that a server wrote just now, as `mark`: lease time, the time at which every session counts as heard at least,
/// and whether there was a gap before. `$2` and `$3` are the lengths of a gap and of a long one. Lease time stands still
/// in a gap. A clock that went back by less than a second does so within its usual corrections.
macro_rules! mark {
    ($from:literal) => {
        concat!(
            "mark AS (
                 UPDATE heartbeat AS own SET
                     alive = CASE WHEN at - last.alive BETWEEN -1000000 AND $2 THEN greatest(last.alive, at) ELSE at END,
                     moved = CASE WHEN at - last.alive BETWEEN -1000000 AND $2 THEN last.moved
                                  ELSE last.moved + at - last.alive END,
                     heard = CASE WHEN at - last.alive BETWEEN -1000000 AND $3 THEN heard
                                  ELSE last.alive - last.moved END
                 FROM ",
            $from,
            "
                 WHERE own.tenant = '00000000-0000-0000-0000-000000000000' AND own.user_id = 0 AND own.session = ''
                 RETURNING at - own.moved AS lease, own.heard AS least,
                           at - last.alive NOT BETWEEN -1000000 AND $2 AS gap
             )"
        )
    };
}

/// Renews this server's row and the mark, and writes signs of life in the order of their keys: unordered ones of two
/// servers would deadlock. Writes nothing unless this server's row is there and the mark is.
const WRITE: &str = concat!(
    clock!(),
    ", own_row AS (
         UPDATE replica SET turns = turns + 1 WHERE id = $4 RETURNING id
     ), ",
    mark!("clock, last, own_row"),
    ", written AS (
         INSERT INTO heartbeat (tenant, user_id, session, opened, heard)
         SELECT sign.tenant, sign.user_id, sign.session, sign.opened,
                mark.lease - CASE WHEN mark.gap THEN 0 ELSE sign.age END
         FROM mark, unnest($5::uuid[], $6::bigint[], $7::bytea[], $8::bigint[], $9::bigint[])
             AS sign (tenant, user_id, session, opened, age)
         ORDER BY sign.tenant, sign.user_id, sign.session
         ON CONFLICT (tenant, user_id, session) DO UPDATE SET
             opened = excluded.opened,
             heard = CASE WHEN heartbeat.opened = excluded.opened THEN greatest(heartbeat.heard, excluded.heard)
                          ELSE excluded.heard END
         WHERE heartbeat.opened <= excluded.opened
     ), ended AS (
         DELETE FROM heartbeat AS gone
         USING mark, unnest($10::uuid[], $11::bigint[], $12::bytea[], $13::bigint[])
             AS ending (tenant, user_id, session, opened)
         WHERE gone.tenant = ending.tenant AND gone.user_id = ending.user_id AND gone.session = ending.session
           AND gone.opened <= ending.opened
     )
     SELECT EXISTS (SELECT FROM own_row), lease, least, gap FROM (SELECT) AS one LEFT JOIN mark ON true"
);

/// Renews the mark alone, for a server that reads the table at its start.
const BEGIN: &str = concat!(clock!(), ", ", mark!("clock, last"), " SELECT lease, least, gap FROM mark");

/// Adds the mark to an emptied table. Every session counts as heard now.
const ADD_MARK: &str = "
    INSERT INTO heartbeat (tenant, user_id, session, opened, heard, alive, moved)
    SELECT '00000000-0000-0000-0000-000000000000', 0, '', 0, at, at, 0
    FROM (SELECT coalesce($1::bigint, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint) AS at) AS clock
    ON CONFLICT DO NOTHING";

/// Reads when these incarnations were heard, in order.
const READ: &str = "
    SELECT heard FROM unnest($1::uuid[], $2::bigint[], $3::bytea[], $4::bigint[])
        WITH ORDINALITY AS asked (tenant, user_id, session, opened, ord)
    LEFT JOIN heartbeat USING (tenant, user_id, session, opened) ORDER BY ord";

/// A session that was heard, as stored: tenant, user, session, incarnation and time.
type Row = (Uuid, i64, Vec<u8>, i64, i64);

/// The state of the table at one write.
#[derive(Clone, Copy, Debug)]
pub struct Mark {
    /// Lease time, in microseconds.
    lease: i64,
    /// The time at which every session counts as heard at least.
    least: i64,
    /// True if no server wrote for a while before.
    pub is_after_gap: bool,
}

impl Mark {
    /// Returns the time since `heard`, without the stretches that do not count.
    fn age(&self, heard: i64) -> Duration {
        Duration::from_micros(u64::try_from(self.lease - heard.max(self.least)).unwrap_or_default())
    }
}

/// The table, as one server writes it.
#[derive(Debug)]
pub struct HeartbeatTable {
    sessions: Sessions,
    /// Taken out while a statement runs, and put back if it succeeds: after an error or a time-out the next one connects
    /// again.
    connection: Option<PgConnection>,
    replica: Uuid,
}

impl HeartbeatTable {
    pub(in crate::store) const fn new(sessions: Sessions, replica: Uuid) -> Self {
        HeartbeatTable { sessions, connection: None, replica }
    }

    /// Returns every session of the table with the time since it was heard. The stretch since the last write of any
    /// server does not count; if it was long, or the table was emptied, every session counts as heard now.
    pub async fn begin(&mut self, now: Option<Time>) -> Result<Vec<Heard>, StoreError> {
        let mut connection = self.connection().await?;
        let mark = loop {
            let mark = sqlx::query_as(BEGIN).bind(now.map(Time::micros)).bind(GAP).bind(LONG_GAP);
            let mark: Option<(i64, i64, bool)> = mark.fetch_optional(&mut connection).await?;
            if let Some((lease, least, is_after_gap)) = mark {
                break Mark { lease, least, is_after_gap };
            }
            add_mark(&mut connection, now).await?;
        };
        let rows = "SELECT tenant, user_id, session, opened, heard FROM heartbeat WHERE alive IS NULL";
        let rows: Vec<Row> = sqlx::query_as(rows).fetch_all(&mut connection).await?;
        self.connection = Some(connection);
        let read = |(tenant, user, session, opened, heard): Row| {
            let session = String::from_utf8_lossy(&session).into();
            let of = Incarnation { tenant: TenantId(tenant), user, session, opened: opened as u64 };
            Heard { of, age: mark.age(heard) }
        };
        Ok(rows.into_iter().map(read).collect())
    }

    /// Writes signs of life, deletes ended sessions and renews this server's row, in one transaction that is durable.
    ///
    /// [`StoreError::Removed`] if another server has removed the row of this one; nothing is written then.
    pub async fn write(&mut self, signs: &Signs, reading: Reading) -> Result<Mark, StoreError> {
        let mut connection = self.connection().await?;
        let mark = loop {
            match write(&mut connection, self.replica, signs, reading).await? {
                (true, Some(mark)) => break mark,
                (true, None) => add_mark(&mut connection, reading.now).await?,
                (false, _) => return Err(StoreError::Removed),
            }
        };
        self.connection = Some(connection);
        Ok(mark)
    }

    /// Returns the time since each of these sessions was heard, in order, as of the write that returned `mark`. `None` for
    /// one without a row.
    pub async fn ages(&mut self, of: &[Incarnation], mark: &Mark) -> Result<Vec<Option<Duration>>, StoreError> {
        let mut connection = self.connection().await?;
        let columns = Columns::of(of.iter());
        let heard: Vec<Option<i64>> = sqlx::query_scalar(READ)
            .bind(columns.tenants)
            .bind(columns.users)
            .bind(columns.sessions)
            .bind(columns.opened)
            .fetch_all(&mut connection)
            .await?;
        self.connection = Some(connection);
        Ok(heard.into_iter().map(|heard| heard.map(|heard| mark.age(heard))).collect())
    }

    async fn connection(&mut self) -> Result<PgConnection, StoreError> {
        match self.connection.take() {
            Some(connection) => Ok(connection),
            None => Ok(self.sessions.connect().await?),
        }
    }
}

/// Runs [`WRITE`] once. Returns whether this server's row is there, and the mark if that is.
async fn write(
    connection: &mut PgConnection,
    replica: Uuid,
    signs: &Signs,
    reading: Reading,
) -> Result<(bool, Option<Mark>), sqlx::Error> {
    let heard = Columns::of(signs.heard.iter().map(|heard| &heard.of));
    // Leases last hours at most; an age beyond 64 bits cannot occur.
    let ages: Vec<i64> = signs.heard.iter().map(|heard| heard.age.as_micros() as i64).collect();
    let ended = Columns::of(signs.ended.iter());
    let (gap, long_gap) = if reading.counts_gaps { (GAP, LONG_GAP) } else { (i64::MAX, i64::MAX) };
    let row: (bool, Option<i64>, Option<i64>, Option<bool>) = sqlx::query_as(WRITE)
        .bind(reading.now.map(Time::micros))
        .bind(gap)
        .bind(long_gap)
        .bind(replica)
        .bind(heard.tenants)
        .bind(heard.users)
        .bind(heard.sessions)
        .bind(heard.opened)
        .bind(ages)
        .bind(ended.tenants)
        .bind(ended.users)
        .bind(ended.sessions)
        .bind(ended.opened)
        .fetch_one(connection)
        .await?;
    let mark = match row {
        (_, Some(lease), Some(least), Some(is_after_gap)) => Some(Mark { lease, least, is_after_gap }),
        _ => None,
    };
    Ok((row.0, mark))
}

async fn add_mark(connection: &mut PgConnection, now: Option<Time>) -> Result<(), sqlx::Error> {
    sqlx::query(ADD_MARK).bind(now.map(Time::micros)).execute(connection).await.map(drop)
}

/// Incarnations as the columns of a statement's parameters.
#[derive(Default)]
struct Columns<'a> {
    tenants: Vec<Uuid>,
    users: Vec<i64>,
    sessions: Vec<&'a [u8]>,
    opened: Vec<i64>,
}

impl<'a> Columns<'a> {
    fn of(incarnations: impl Iterator<Item = &'a Incarnation>) -> Self {
        let mut columns = Columns::default();
        for one in incarnations {
            columns.tenants.push(one.tenant.0);
            columns.users.push(one.user);
            columns.sessions.push(one.session.as_bytes());
            columns.opened.push(one.opened as i64);
        }
        columns
    }
}

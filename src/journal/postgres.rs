//! The journal on PostgreSQL: one statement and one round trip per batch, on a connection of its own.

mod duties;
mod lock;
mod looks;
mod releases;
mod sessions;
mod signals;

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use sha2::{Digest, Sha256};
use sqlx::Row;
use sqlx::error::DatabaseError;
use sqlx::postgres::{PgConnection, PgDatabaseError, PgRow, PgSeverity};
use uuid::Uuid;

use super::{Appended, Batch, Draft, Head, JournalError, LockMode, Logged, Placement, Stored};
use crate::domain::{EventId, TenantId, Time};

pub use sessions::Sessions;
pub use signals::{Signal, Signals};

/// Reads the clock once, if no time is given. Locks the heads in the order of tenants, skipping those locked by another
/// session and those with entries of another apply version, and none if the clock is off; drops the ids seen before, and
/// numbers the rest. The heads are locked before anything is inserted because the inserts join them. The returned rows
/// with ord 0 are the heads before the append, and the row with ord -1 is the clock, with position 1 if it is off.
const APPEND: &str = "
WITH clock AS MATERIALIZED (
    SELECT now, NOT (now BETWEEN coalesce($10, now) AND coalesce($11, now)) AS is_off
    FROM (SELECT coalesce($6, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint) AS now) AS read
), input AS (
    SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[])
        WITH ORDINALITY AS t (tenant, key, source, event_id, event, ord)
), held AS (
    SELECT tenant, seq, greatest(recorded, (SELECT now FROM clock)) AS recorded, tail
    FROM head WHERE tenant = ANY ($8) AND (apply_version = $7 OR seq = 0) AND (SELECT NOT is_off FROM clock)
    ORDER BY tenant FOR UPDATE SKIP LOCKED
), fresh AS (
    INSERT INTO seen (tenant, key, recorded)
    SELECT i.tenant, i.key, held.recorded FROM input i JOIN held USING (tenant)
    ON CONFLICT DO NOTHING
    RETURNING tenant, key
), placed AS (
    SELECT i.ord, i.tenant, i.source, i.event_id, i.event, held.recorded,
           held.seq + row_number() OVER (PARTITION BY i.tenant ORDER BY i.ord) AS seq
    FROM input i JOIN fresh USING (tenant, key) JOIN held ON held.tenant = i.tenant
), written AS (
    INSERT INTO journal (tenant, seq, recorded, source, event_id, apply_version, batch, event)
    SELECT tenant, seq, recorded, source, event_id, $7, $9, event::json FROM placed
), moved AS (
    UPDATE head SET seq = last.seq, recorded = last.recorded, tail = $9, apply_version = $7
    FROM (SELECT tenant, max(seq) AS seq, max(recorded) AS recorded FROM placed GROUP BY tenant) AS last
    WHERE head.tenant = last.tenant AND head.tenant = ANY ($8)
)
SELECT ord, tenant, seq, recorded, NULL::uuid AS tail FROM placed
UNION ALL
SELECT 0, tenant, seq, recorded, tail FROM held
UNION ALL
SELECT -1, '00000000-0000-0000-0000-000000000000', is_off::int, now, NULL FROM clock";

/// The append that waits for a locked head. A statement that has waited sees the newest version of the head, and of `seen`
/// what it would insert twice; it reads nothing else.
static WAITING_APPEND: LazyLock<String> = LazyLock::new(|| APPEND.replace(" SKIP LOCKED", ""));

/// Bytes of events after which a reading of the journal ends.
const READ_BYTES: i64 = 1024 * 1024;

/// Reads the entries after a position. The sizes are added up entry by entry, since the server would otherwise unpack
/// every entry up to the limit, whatever is sent of them. Positions are contiguous.
const READ: &str = "
WITH RECURSIVE sized AS (
    (SELECT seq, 1::bigint AS entries, octet_length(event::text)::bigint AS bytes
     FROM journal WHERE tenant = $1 AND seq > $2 ORDER BY seq LIMIT 1)
    UNION ALL
    SELECT next.seq, sized.entries + 1, sized.bytes + octet_length(next.event::text)
    FROM sized JOIN journal AS next ON next.tenant = $1 AND next.seq = sized.seq + 1
    WHERE sized.entries < $3 AND sized.bytes < $4
)
SELECT seq, recorded, source, event_id, apply_version, batch, event::text AS event
FROM journal WHERE tenant = $1 AND seq > $2 AND seq <= (SELECT max(seq) FROM sized) ORDER BY seq";

/// One row of [`APPEND`]: the draft's number, from 1, or 0 for a head, or -1 for the clock; tenant, position, recorded
/// time, and a head's batch.
type Placed = (i64, Uuid, i64, i64, Option<Uuid>);

/// One row of `head`: tenant, position, recorded time, batch and apply version.
type HeadRow = (Uuid, i64, i64, Option<Uuid>, i32);

fn head((tenant, seq, recorded, tail, apply_version): HeadRow) -> (TenantId, Head) {
    (TenantId(tenant), Head { seq: seq as u64, recorded, tail, apply_version: apply_version as u32 })
}

/// A session as the server identifies it. Process ids are reused, so the start belongs to it.
#[derive(Clone, Copy, Debug)]
struct SessionId {
    pid: i32,
    /// Microseconds since the epoch.
    started: i64,
}

/// The journal's session, which holds the server's lock, and what opens the next one.
#[derive(Debug)]
pub struct PostgresJournal {
    sessions: Sessions,
    /// Taken out while a statement runs. It is put back unless the statement is cancelled or ends the session, so that
    /// `None` means that the lock is not held.
    session: Option<PgConnection>,
    /// The newest session that held the lock.
    last: Option<SessionId>,
    pub(super) apply_version: u32,
    /// The id of this server's row in `replica`.
    pub(super) replica: Uuid,
    /// The lock that the session holds; `None` for a handle beside the one with the lock.
    lock: Option<LockMode>,
    /// True if an append waits for a locked head rather than skipping its tenant.
    waits: bool,
}

impl PostgresJournal {
    /// Makes a journal on a connection that holds the server's lock in this mode.
    #[expect(clippy::disallowed_methods, reason = "names this server; no entry of the journal has it")]
    pub async fn locked(
        sessions: Sessions,
        mut connection: PgConnection,
        mode: LockMode,
        apply_version: u32,
    ) -> Result<Self, JournalError> {
        let last = Some(session_id(&mut connection).await?);
        let (session, replica, lock) = (Some(connection), Uuid::new_v4(), Some(mode));
        Ok(PostgresJournal { sessions, session, last, apply_version, replica, lock, waits: false })
    }

    /// Returns true unless the session that holds the server's lock was given up, or is known to have ended.
    pub(super) const fn is_locked(&self) -> bool {
        self.session.is_some()
    }

    pub(super) async fn recover(&mut self) -> Result<(), JournalError> {
        // A session that survived the error is kept: giving up its lock would let a waiting server take the store.
        if self.session.is_some() && self.confirm().await.is_ok() {
            return Ok(());
        }
        // Dropped rather than closed: closing would wait for a server that may not answer.
        self.session = None;
        let mut connection = self.sessions.connect().await?;
        if !self.try_own_lock(&mut connection).await? {
            // The server may not have ended our own lost session yet, which then still holds the lock.
            if let Some(last) = self.last
                && is_alive(&mut connection, last).await?
            {
                return Err(JournalError::Lingering);
            }
            // It may have ended between the two statements.
            if !self.try_own_lock(&mut connection).await? {
                return Err(JournalError::Taken);
            }
        }
        self.last = Some(session_id(&mut connection).await?);
        self.session = Some(connection);
        Ok(())
    }

    /// Takes the lock in this handle's mode. Returns true at once if it needs none.
    async fn try_own_lock(&self, connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
        match self.lock {
            Some(mode) => Self::try_lock(connection, mode).await,
            None => Ok(true),
        }
    }

    /// Reads the server's clock. The lock ends with the connection, so an answer also shows that the lock is still
    /// held.
    pub(super) async fn confirm(&mut self) -> Result<Option<Time>, JournalError> {
        let now = sqlx::query_scalar("SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint");
        let mut session = self.session()?;
        let now = now.fetch_one(&mut session).await;
        Ok(Some(Time::from_micros(self.keep(session, now)?)))
    }

    /// Writes this server's row.
    pub(super) async fn probe(&mut self) -> Result<(), JournalError> {
        let probe = sqlx::query(
            "INSERT INTO replica (id, turns, apply_version) VALUES ($1, 1, $2)
             ON CONFLICT (id) DO UPDATE SET turns = replica.turns + 1",
        );
        let mut session = self.session()?;
        let probed = probe.bind(self.replica).bind(self.apply_version as i32).execute(&mut session).await;
        self.keep(session, probed)?;
        Ok(())
    }

    pub(super) async fn append(&mut self, batch: Batch<'_>) -> Result<Appended, JournalError> {
        let version = self.apply_version as i32;
        // Of two rows with one id, ON CONFLICT inserts an arbitrary one; it must be the first.
        let mut taken = HashSet::with_capacity(batch.drafts.len());
        let first: Vec<usize> = (0..batch.drafts.len())
            .filter(|n| taken.insert((batch.drafts[*n].tenant, &batch.drafts[*n].event.id)))
            .collect();
        let drafts = || first.iter().map(|n| &batch.drafts[*n]);
        let tenants: Vec<Uuid> = drafts().map(|draft| draft.tenant.0).collect();
        let named: Vec<Uuid> = tenants.iter().copied().collect::<HashSet<_>>().into_iter().collect();
        let bounds = batch.store_clock;
        let mut session = self.session()?;
        let rows = sqlx::query_as(if self.waits { WAITING_APPEND.as_str() } else { APPEND })
            .bind(tenants)
            .bind(drafts().map(|draft| seen_key(&draft.event.id)).collect::<Vec<_>>())
            .bind(drafts().map(|draft| &*draft.event.id.source).collect::<Vec<_>>())
            .bind(drafts().map(|draft| &*draft.event.id.id).collect::<Vec<_>>())
            .bind(drafts().map(|draft| draft.json.as_str()).collect::<Vec<_>>())
            .bind(bounds.is_none().then(|| batch.recorded.micros()))
            .bind(version)
            .bind(&named)
            .bind(batch.id)
            .bind(bounds.map(|bounds| bounds.earliest.micros()))
            .bind(bounds.map(|bounds| bounds.latest.micros()))
            .fetch_all(&mut session)
            .await;
        // Waited for in vain: nothing was placed.
        if rows.as_ref().is_err_and(is_lock_timeout) {
            self.session = Some(session);
            return Ok(Appended { placements: vec![Placement::Busy; batch.drafts.len()], heads: HashMap::new() });
        }
        let rows: Vec<Placed> = self.keep(session, rows)?;
        let mut heads = HashMap::new();
        let mut placed = HashMap::new();
        for (ord, tenant, seq, recorded, tail) in rows {
            match ord {
                -1 if seq == 1 => return Err(JournalError::Clock(Time::from_micros(recorded))),
                -1 => {}
                0 => {
                    let head = Head { seq: seq as u64, recorded, tail, apply_version: self.apply_version };
                    heads.insert(TenantId(tenant), head);
                }
                // The ordinal counts from 1, over the drafts that were sent.
                _ => drop(placed.insert(first[ord as usize - 1], seq as u64)),
            }
        }
        let repeats = || {
            let drafts = batch.drafts.iter().enumerate();
            drafts.filter(|(n, draft)| !placed.contains_key(n) && heads.contains_key(&draft.tenant))
        };
        let repeated = self.repeated(repeats().map(|(_, draft)| draft)).await?;
        let missing = self.missing(named.into_iter().filter(|tenant| !heads.contains_key(&TenantId(*tenant)))).await?;
        let place = |(n, draft): (usize, &Draft)| match placed.get(&n) {
            Some(seq) => Placement::Placed(*seq),
            None if heads.contains_key(&draft.tenant) => {
                let recorded = repeated.get(&(draft.tenant.0, seen_key(&draft.event.id)));
                Placement::Duplicate(recorded.copied().unwrap_or(Time::NEVER))
            }
            None => missing.get(&draft.tenant).copied().unwrap_or(Placement::Busy),
        };
        Ok(Appended { placements: batch.drafts.iter().enumerate().map(place).collect(), heads })
    }

    /// Returns the recorded times at which the ids of these drafts were placed, by tenant and key. A statement of its
    /// own, which only a batch with repeats needs.
    async fn repeated(
        &mut self,
        drafts: impl Iterator<Item = &Draft>,
    ) -> Result<HashMap<(Uuid, Uuid), Time>, JournalError> {
        let (tenants, keys): (Vec<Uuid>, Vec<Uuid>) =
            drafts.map(|draft| (draft.tenant.0, seen_key(&draft.event.id))).unzip();
        if tenants.is_empty() {
            return Ok(HashMap::new());
        }
        let mut session = self.session()?;
        let rows = sqlx::query_as(
            "SELECT tenant, key, recorded FROM seen
             JOIN unnest($1::uuid[], $2::uuid[]) AS input (tenant, key) USING (tenant, key)",
        )
        .bind(tenants)
        .bind(keys)
        .fetch_all(&mut session)
        .await;
        let rows: Vec<(Uuid, Uuid, i64)> = self.keep(session, rows)?;
        Ok(rows.into_iter().map(|(tenant, key, recorded)| ((tenant, key), Time::from_micros(recorded))).collect())
    }

    /// Returns the placement of the events of the given tenants that have no head, or one of another apply version. A
    /// statement of its own, because the append cannot distinguish these heads from locked ones.
    async fn missing(
        &mut self,
        tenants: impl Iterator<Item = Uuid>,
    ) -> Result<HashMap<TenantId, Placement>, JournalError> {
        let tenants: Vec<Uuid> = tenants.collect();
        if tenants.is_empty() {
            return Ok(HashMap::new());
        }
        let mut session = self.session()?;
        // Head and mark are of one snapshot: a tenant that is deleted at this moment is found locked or deleted.
        let rows = sqlx::query_as(
            "SELECT input.tenant, head.apply_version, coalesce(known.deleted IS NULL AND known.id IS NOT NULL, false)
             FROM unnest($1::uuid[]) AS input (tenant) LEFT JOIN tenant AS known ON known.id = input.tenant
             LEFT JOIN head ON head.tenant = input.tenant
             WHERE head.tenant IS NULL OR (head.seq > 0 AND head.apply_version <> $2)",
        );
        let rows = rows.bind(tenants).bind(self.apply_version as i32).fetch_all(&mut session).await;
        let rows: Vec<(Uuid, Option<i32>, bool)> = self.keep(session, rows)?;
        let placement = |(tenant, version, is_known): (Uuid, Option<i32>, bool)| {
            let placement = match version {
                Some(version) => Placement::OtherVersion(version as u32),
                None if is_known => Placement::Missing,
                None => Placement::Deleted,
            };
            (TenantId(tenant), placement)
        };
        Ok(rows.into_iter().map(placement).collect())
    }

    /// Locks and releases the heads in one autocommit statement, which waits for any transaction of a lost connection
    /// that still holds one. Rows must be read in a later statement: in READ COMMITTED a statement that waited for a
    /// lock sees the new version of the locked row, but no other rows committed meanwhile.
    pub(super) async fn fence(&mut self, tenants: &[TenantId]) -> Result<(), JournalError> {
        let tenants: Vec<Uuid> = tenants.iter().map(|tenant| tenant.0).collect();
        let mut session = self.session()?;
        let fence = sqlx::query("SELECT 1 FROM head WHERE tenant = ANY ($1) ORDER BY tenant FOR UPDATE");
        let fenced = fence.bind(tenants).execute(&mut session).await;
        self.keep(session, fenced)?;
        Ok(())
    }

    pub(super) async fn heads(&mut self) -> Result<HashMap<TenantId, Head>, JournalError> {
        let mut session = self.session()?;
        let rows =
            sqlx::query_as("SELECT tenant, seq, recorded, tail, apply_version FROM head").fetch_all(&mut session).await;
        Ok(self.keep(session, rows)?.into_iter().map(head).collect())
    }

    pub(super) async fn read(&mut self, tenant: TenantId, after: u64, limit: u32) -> Result<Vec<Logged>, JournalError> {
        let version = self.apply_version;
        let mut session = self.session()?;
        let rows = sqlx::query(READ)
            .bind(tenant.0)
            .bind(after as i64)
            .bind(i64::from(limit))
            .bind(READ_BYTES)
            .fetch_all(&mut session)
            .await;
        let rows = self.keep(session, rows)?;
        rows.iter().map(|row| stored(row)?.read(tenant, version)).collect()
    }

    /// Takes the session out for a statement, after which [`PostgresJournal::keep`] puts it back.
    fn session(&mut self) -> Result<PgConnection, JournalError> {
        // Without a session every statement fails as if the store were unreachable, which starts the recovery.
        Ok(self.session.take().ok_or(sqlx::Error::WorkerCrashed)?)
    }

    /// Puts the session back, unless the statement's error shows that it has ended.
    fn keep<T>(&mut self, session: PgConnection, result: Result<T, sqlx::Error>) -> Result<T, JournalError> {
        if result.as_ref().err().is_none_or(is_survived) {
            self.session = Some(session);
        }
        Ok(result?)
    }
}

/// Returns true for an error that the server reported for one statement, whose effects are undone then. The session goes
/// on after it, with its locks.
fn is_survived(error: &sqlx::Error) -> bool {
    let reported = error.as_database_error().and_then(|error| error.try_downcast_ref::<PgDatabaseError>());
    reported.is_some_and(|error| matches!(error.severity(), PgSeverity::Error))
}

/// Returns true for the error of a statement that waited longer for a lock than its session may: `lock_not_available`.
fn is_lock_timeout(error: &sqlx::Error) -> bool {
    error.as_database_error().and_then(DatabaseError::code).is_some_and(|code| code == "55P03")
}

/// Returns the identity of a connection's session.
async fn session_id(connection: &mut PgConnection) -> Result<SessionId, sqlx::Error> {
    let id = "SELECT pid, (extract(epoch FROM backend_start) * 1000000)::bigint FROM pg_stat_activity
              WHERE pid = pg_backend_pid()";
    let (pid, started) = sqlx::query_as(id).fetch_one(connection).await?;
    Ok(SessionId { pid, started })
}

/// Returns true if the server has not ended a session of our own role.
async fn is_alive(connection: &mut PgConnection, SessionId { pid, started }: SessionId) -> Result<bool, sqlx::Error> {
    let alive = "SELECT EXISTS (SELECT 1 FROM pg_stat_activity
                 WHERE pid = $1 AND (extract(epoch FROM backend_start) * 1000000)::bigint = $2)";
    sqlx::query_scalar(alive).bind(pid).bind(started).fetch_one(connection).await
}

/// The key of an event id in `seen`: the first 16 bytes of SHA-256 over source, a zero byte and id. No text contains a
/// zero byte, so different ids are different inputs. A collision is infeasible to find, and would harm only the tenant
/// that sends both events. `migrations/postgres/0008_batches.sql` computes the same key.
fn seen_key(id: &EventId) -> Uuid {
    let hash = Sha256::new().chain_update(&*id.source).chain_update([0]).chain_update(&*id.id).finalize();
    let mut key = [0; 16];
    key.copy_from_slice(&hash[..16]);
    Uuid::from_bytes(key)
}

fn stored(row: &PgRow) -> Result<Stored, sqlx::Error> {
    Ok(Stored {
        seq: row.try_get("seq")?,
        recorded: row.try_get("recorded")?,
        source: row.try_get("source")?,
        event_id: row.try_get("event_id")?,
        apply_version: row.try_get::<i32, _>("apply_version")? as u32,
        batch: row.try_get("batch")?,
        event: row.try_get("event")?,
    })
}

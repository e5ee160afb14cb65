//! Direct access to a store's tables, beside a running service and without its code.

use std::collections::HashMap;

use rollcall::domain::event::Fact;
use rollcall::domain::{Entry, Event, EventId, TenantId, Time};
use rollcall::live::State;
use rollcall::store::Location;
use rollcall::store::sqlite::DATABASE_FILE;
use sqlx::postgres::PgConnection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection};

/// A connection of the test's own to a store.
pub enum RawStore {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

/// One row of the journal as it is stored.
#[derive(Clone, Debug)]
pub struct JournalRow {
    pub tenant: TenantId,
    pub seq: u64,
    pub recorded: i64,
    pub id: EventId,
    pub event: String,
}

impl JournalRow {
    /// Returns the row as an entry that a state can apply.
    pub fn entry(&self) -> Entry {
        let fact: Fact = serde_json::from_str(&self.event).expect("a fact");
        let event = Event { id: self.id.clone(), fact };
        Entry { seq: self.seq, recorded: Time::from_micros(self.recorded), event }
    }
}

/// Runs the same statement on either backend.
macro_rules! on_either {
    ($raw:expr, $connection:ident => $call:expr) => {
        match $raw {
            RawStore::Sqlite($connection) => $call,
            RawStore::Postgres($connection) => $call,
        }
    };
}

impl RawStore {
    /// Connects to an existing store.
    pub async fn open(location: &Location) -> Self {
        match location {
            Location::Folder(folder) => {
                let options = SqliteConnectOptions::new().filename(folder.join(DATABASE_FILE));
                RawStore::Sqlite(options.connect().await.expect("the file opens"))
            }
            Location::Postgres(options) => {
                // A test may search for a secret; logging the statement would leak it.
                let options = options.as_ref().clone().disable_statement_logging();
                RawStore::Postgres(PgConnection::connect_with(&options).await.expect("the server answers"))
            }
        }
    }

    /// Runs one or more SQL statements.
    pub async fn run(&mut self, sql: &str) {
        let sql = AssertSqlSafe(sql.to_owned());
        on_either!(self, connection => sqlx::raw_sql(sql).execute(connection).await.map(drop))
            .expect("the statements run");
    }

    /// Returns the names of all tables.
    pub async fn tables(&mut self) -> Vec<String> {
        const SQLITE: &str = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'";
        const POSTGRES: &str = "SELECT table_name::text FROM information_schema.tables
                                WHERE table_schema = 'public' AND table_type = 'BASE TABLE'";
        let found = match self {
            RawStore::Sqlite(connection) => sqlx::query_scalar(SQLITE).fetch_all(connection).await,
            RawStore::Postgres(connection) => sqlx::query_scalar(POSTGRES).fetch_all(connection).await,
        };
        let mut tables: Vec<String> = found.expect("the tables");
        tables.sort();
        tables
    }

    /// Returns every row of a table as text, with binary values in hexadecimal digits.
    pub async fn rows(&mut self, table: &str) -> Vec<String> {
        let sql = match self {
            RawStore::Postgres(_) => format!("SELECT line::text FROM \"{table}\" AS line"),
            RawStore::Sqlite(connection) => {
                let columns = AssertSqlSafe(format!("SELECT name FROM pragma_table_info('{table}')"));
                let columns: Vec<String> =
                    sqlx::query_scalar(columns).fetch_all(connection).await.expect("the columns");
                // `quote` writes a binary value as X'…'.
                let quoted: Vec<_> = columns.iter().map(|column| format!("quote(\"{column}\")")).collect();
                format!("SELECT {} FROM \"{table}\"", quoted.join(" || ',' || "))
            }
        };
        let sql = AssertSqlSafe(sql);
        on_either!(self, connection => sqlx::query_scalar(sql).fetch_all(connection).await).expect("the rows")
    }

    /// Runs a query for one number.
    pub async fn number(&mut self, sql: &str) -> i64 {
        let sql = AssertSqlSafe(sql.to_owned());
        on_either!(self, connection => sqlx::query_scalar(sql).fetch_one(connection).await).expect("a number")
    }

    /// Returns the journals of all tenants, ordered by tenant and position.
    pub async fn journal(&mut self) -> Vec<JournalRow> {
        const SQL: &str = "SELECT CAST(tenant AS text), seq, recorded, source, event_id, CAST(event AS text)
                           FROM journal ORDER BY tenant, seq";
        type Columns = (String, i64, i64, String, String, String);
        let rows: Vec<Columns> =
            on_either!(self, connection => sqlx::query_as(SQL).fetch_all(connection).await).expect("the journal");
        let row = |(tenant, seq, recorded, source, id, event): Columns| JournalRow {
            tenant: TenantId(tenant.parse().expect("an id")),
            seq: seq as u64,
            recorded,
            id: EventId { source: source.into(), id: id.into() },
            event,
        };
        rows.into_iter().map(row).collect()
    }

    /// Returns the head of every tenant.
    pub async fn heads(&mut self) -> HashMap<TenantId, u64> {
        const SQL: &str = "SELECT CAST(tenant AS text), seq FROM head";
        let rows: Vec<(String, i64)> =
            on_either!(self, connection => sqlx::query_as(SQL).fetch_all(connection).await).expect("the heads");
        rows.into_iter().map(|(tenant, seq)| (TenantId(tenant.parse().expect("an id")), seq as u64)).collect()
    }

    /// Returns every tenant's state, replayed from its whole journal.
    pub async fn replay(&mut self) -> HashMap<TenantId, State> {
        let mut states = HashMap::new();
        for line in self.journal().await {
            let state = states.entry(line.tenant).or_insert_with(|| State::new(line.tenant));
            state.apply(&line.entry()).expect("no gap");
        }
        states
    }

    /// Blocks writes to the journal by any other connection until [`RawStore::release`].
    pub async fn block(&mut self) {
        match self {
            RawStore::Sqlite(_) => self.run("BEGIN IMMEDIATE").await,
            RawStore::Postgres(_) => self.run("BEGIN; LOCK TABLE head IN EXCLUSIVE MODE").await,
        }
    }

    /// Ends the transaction of [`RawStore::block`].
    pub async fn release(&mut self) {
        self.run("ROLLBACK").await;
    }

    /// Makes every INSERT into `table` fail whose row meets `condition`, until [`RawStore::accept`].
    pub async fn refuse(&mut self, table: &str, condition: &str) {
        let triggers = match self {
            RawStore::Sqlite(_) => format!(
                "CREATE TRIGGER refuse BEFORE INSERT ON {table} WHEN {condition}
                 BEGIN SELECT RAISE(ABORT, 'refused'); END"
            ),
            RawStore::Postgres(_) => format!(
                "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
                     $$ BEGIN IF {condition} THEN RAISE 'refused' USING ERRCODE = 'check_violation'; END IF; RETURN NEW; END $$;
                 CREATE TRIGGER refuse BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION refuse()"
            ),
        };
        self.run(&triggers).await;
    }

    /// Removes the trigger of [`RawStore::refuse`].
    pub async fn accept(&mut self) {
        match self {
            RawStore::Sqlite(_) => self.run("DROP TRIGGER refuse").await,
            RawStore::Postgres(_) => self.run("DROP FUNCTION refuse CASCADE").await,
        }
    }
}

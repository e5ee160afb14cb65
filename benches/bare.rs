//! Measures what PostgreSQL itself takes: the rows that an append writes, inserted by a program that does nothing else.
//!
//! `cargo bench --bench bare -- URL ROWS CONNECTIONS SECONDS`, on a database that the service has migrated. Each connection
//! commits statements of ROWS events of a tenant of its own, one after the other. Prints the events a second, and the time
//! of a statement in milliseconds: p50 and p99.

#![expect(clippy::disallowed_methods, reason = "a program of its own, without the service's clock, tasks and ids")]

use std::error::Error;
use std::time::{Duration, Instant};

use sqlx::{Connection, PgConnection};
use uuid::Uuid;

/// The rows of [`APPEND`](../src/journal/postgres.rs) without what it looks up and decides.
const INSERT: &str = "
WITH input AS (
    SELECT * FROM unnest($2::uuid[], $3::text[], $4::text[], $5::text[]) WITH ORDINALITY AS t (key, source, event_id, event, ord)
), fresh AS (
    INSERT INTO seen (tenant, key, recorded) SELECT $1, key, $6 FROM input
), moved AS (
    UPDATE head SET seq = $7 + cardinality($2), recorded = $6 WHERE tenant = $1
)
INSERT INTO journal (tenant, seq, recorded, source, event_id, apply_version, batch, event)
SELECT $1, $7 + ord, $6, source, event_id, 6, $8, event::json FROM input";

/// Of the length of those that `benches/ingest.lua` sends.
const EVENT: &str = r#"{"type":"status.changed","time":"2026-01-01T00:00:00Z","user":100000,"presence":"Ready"}"#;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let given: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let [url, rows, connections, seconds] = &given[..] else {
        return Err("needs four arguments: URL ROWS CONNECTIONS SECONDS".into());
    };
    let (rows, connections, seconds) =
        (rows.parse()?, connections.parse::<usize>()?, Duration::from_secs(seconds.parse()?));
    let began = Instant::now();
    let tasks: Vec<_> = (0..connections).map(|_| tokio::spawn(commit(url.clone(), rows, began + seconds))).collect();
    let mut times = Vec::new();
    for task in tasks {
        times.append(&mut task.await??);
    }
    let passed = began.elapsed().as_secs_f64();
    times.sort_unstable();
    let at = |share: usize| times.get(times.len() * share / 100).map_or(0.0, |time| time.as_secs_f64() * 1e3);
    println!("BARE {:.0} {:.2} {:.2}", (times.len() * rows) as f64 / passed, at(50), at(99));
    Ok(())
}

/// Commits statements until a time, and returns how long each took.
async fn commit(url: String, rows: usize, until: Instant) -> Result<Vec<Duration>, sqlx::Error> {
    let mut connection = PgConnection::connect(&url).await?;
    let (tenant, mut position, mut times) = (Uuid::new_v4(), 0_i64, Vec::new());
    let made = "INSERT INTO tenant (id, name, created) VALUES ($1, $2, 0)";
    sqlx::query(made).bind(tenant).bind(tenant.to_string()).execute(&mut connection).await?;
    sqlx::query("INSERT INTO head (tenant) VALUES ($1)").bind(tenant).execute(&mut connection).await?;
    while Instant::now() < until {
        let keys: Vec<Uuid> = (0..rows).map(|_| Uuid::new_v4()).collect();
        let ids: Vec<String> = keys.iter().map(|key| format!("run-{:.20}", key.simple())).collect();
        let began = Instant::now();
        sqlx::query(INSERT)
            .bind(tenant)
            .bind(&keys)
            .bind(vec!["/bench/ingest"; rows])
            .bind(&ids)
            .bind(vec![EVENT; rows])
            .bind(1_767_225_600_000_000_i64)
            .bind(position)
            .bind(Uuid::new_v4())
            .execute(&mut connection)
            .await?;
        times.push(began.elapsed());
        position += rows as i64;
    }
    Ok(times)
}

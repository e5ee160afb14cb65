//! Databases for tests, one each, on the server that `TEST_POSTGRES` names.

pub mod pooler;
pub mod proxy;

use std::str::FromStr;

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, Connection};

/// Returns the test server's address. `scripts/test` starts a server; without one these tests fail, so that a green run
/// covers both stores.
#[expect(clippy::disallowed_methods, reason = "a setting of the tests")]
pub fn server() -> PgConnectOptions {
    let url = std::env::var("TEST_POSTGRES").expect("TEST_POSTGRES names a PostgreSQL server: run scripts/test");
    PgConnectOptions::from_str(&url).expect("a PostgreSQL URL")
}

/// Creates an empty database.
pub async fn new_database() -> PgConnectOptions {
    new_database_with("").await
}

/// Creates an empty database with further options of `CREATE DATABASE`.
#[expect(clippy::disallowed_methods, reason = "a unique name")]
pub async fn new_database_with(options: &str) -> PgConnectOptions {
    let name = format!("test_{}", uuid::Uuid::new_v4().simple());
    let mut connection = PgConnection::connect_with(&server()).await.expect("the test server answers");
    let create = AssertSqlSafe(format!("CREATE DATABASE {name} {options}"));
    sqlx::query(create).execute(&mut connection).await.expect("a database");
    server().database(&name)
}

//! Databases of their own for tests, on the server that `TEST_POSTGRES` names.

pub mod proxy;

use std::str::FromStr;

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, Connection};

/// The server for tests. `scripts/test` starts one; without it these tests fail rather than pass unseen.
#[expect(clippy::disallowed_methods, reason = "a setting of the tests")]
pub fn server() -> PgConnectOptions {
    let url = std::env::var("TEST_POSTGRES").expect("TEST_POSTGRES names a PostgreSQL server: run scripts/test");
    PgConnectOptions::from_str(&url).expect("a PostgreSQL URL")
}

/// A new, empty database.
pub async fn new_database() -> PgConnectOptions {
    new_database_with("").await
}

/// A new, empty database that differs from the usual.
#[expect(clippy::disallowed_methods, reason = "a name that no other test has")]
pub async fn new_database_with(how: &str) -> PgConnectOptions {
    let name = format!("test_{}", uuid::Uuid::new_v4().simple());
    let mut connection = PgConnection::connect_with(&server()).await.expect("the test server answers");
    let create = AssertSqlSafe(format!("CREATE DATABASE {name} {how}"));
    sqlx::query(create).execute(&mut connection).await.expect("a database");
    server().database(&name)
}

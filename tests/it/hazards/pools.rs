//! Hazard 1: a connection that is returned to the pool inside a transaction loses the writes of its next user.

use std::time::Duration;

use rand::Rng;
use rollcall::clock::Clock;
use rollcall::domain::{Settings, TenantId};
use rollcall::store::{Location, Store, TenantRecord};
use sqlx::postgres::PgPoolOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use sqlx::{Acquire, Connection};
use tokio::time::timeout;

use crate::on_both_stores;
use crate::support::raw::RawStore;
use crate::support::{Backend, Home};

on_both_stores!(connections_in_a_transaction_are_not_reused);
on_both_stores!(cancelled_transactions_lose_no_later_write);

async fn open(backend: Backend) -> (Home, Store) {
    let home = Home::new(backend).await;
    let (store, _) = Store::open(&home.location).await.expect("the store opens");
    (home, store)
}

/// Creates a tenant; returns whether another connection reads it.
async fn is_durable(store: &Store, raw: &mut RawStore, name: &str) -> bool {
    let clock = Clock::system();
    let (id, settings) = (TenantId(clock.new_id()), Settings::default());
    let tenant = TenantRecord { id, name: name.to_owned(), created: clock.now(), settings };
    assert!(store.create_tenant(&tenant).await.expect("the store answers"));
    raw.number(&format!("SELECT count(*) FROM tenant WHERE name = '{name}'")).await == 1
}

/// Returns every connection to the pool inside a transaction.
async fn poison(store: &Store) {
    match store {
        Store::Postgres(store) => {
            let mut all = Vec::new();
            for _ in 0..store.pool().options().get_max_connections() {
                let mut connection = store.pool().acquire().await.expect("a connection");
                sqlx::raw_sql("BEGIN").execute(&mut *connection).await.expect("a transaction");
                all.push(connection);
            }
        }
        Store::Sqlite(store) => {
            let mut all = Vec::new();
            for _ in 0..store.reads().options().get_max_connections() {
                let mut connection = store.reads().acquire().await.expect("a connection");
                // The SELECT begins the transaction's snapshot, so that later reads would be stale.
                sqlx::raw_sql("BEGIN; SELECT * FROM tenant").execute(&mut *connection).await.expect("a transaction");
                all.push(connection);
            }
            // The writing connection as well, as if its holder had been cancelled.
            let mut writer = store.writer().acquire().await.expect("the writer");
            let sql = "BEGIN IMMEDIATE; UPDATE registry SET version = version + 1000";
            sqlx::raw_sql(sql).execute(&mut *writer).await.expect("a transaction");
        }
    }
}

async fn connections_in_a_transaction_are_not_reused(backend: Backend) {
    let (home, store) = open(backend).await;
    let mut raw = RawStore::open(&home.location).await;
    for round in 0..3 {
        poison(&store).await;
        for n in 0..6 {
            assert!(is_durable(&store, &mut raw, &format!("{round}-{n}")).await);
            assert_eq!(store.tenants().await.unwrap().len(), round * 6 + n + 1, "the tenant is read back");
        }
    }
    assert_eq!(store.registry_version().await.unwrap().number, 18, "the open transactions had no effect");
    the_hazard_is_there(&home.location, &mut raw).await;
}

/// The control: a pool without the guard reuses such a connection, and the write is lost.
async fn the_hazard_is_there(location: &Location, raw: &mut RawStore) {
    let count = "SELECT count(*) FROM registry WHERE version < 0";
    let lose = "UPDATE registry SET version = -1";
    match location {
        Location::Postgres(options) => {
            let pool = PgPoolOptions::new().max_connections(1).connect_lazy_with((**options).clone());
            sqlx::raw_sql("BEGIN").execute(&mut *pool.acquire().await.unwrap()).await.unwrap();
            sqlx::query(lose).execute(&pool).await.expect("the write seems to succeed");
        }
        Location::Folder(folder) => {
            let options = SqliteConnectOptions::new().filename(folder.join(rollcall::store::sqlite::DATABASE_FILE));
            let pool = SqlitePoolOptions::new().max_connections(1).connect_lazy_with(options);
            sqlx::raw_sql("BEGIN").execute(&mut *pool.acquire().await.unwrap()).await.unwrap();
            sqlx::query(lose).execute(&pool).await.expect("the write seems to succeed");
        }
    }
    assert_eq!(raw.number(count).await, 0, "the write is lost");
}

async fn cancelled_transactions_lose_no_later_write(backend: Backend) {
    let (home, store) = open(backend).await;
    let mut raw = RawStore::open(&home.location).await;
    for n in 0..100 {
        for _ in 0..4 {
            let moment = Duration::from_micros(rand::rng().random_range(0..1_500));
            // Each is cancelled at a random moment: before, during or after the server's work.
            match &store {
                Store::Postgres(store) => drop(timeout(moment, store.pool().begin()).await),
                Store::Sqlite(store) => {
                    drop(timeout(moment, store.reads().begin()).await);
                    let writing = async {
                        let mut writer = store.writer().acquire().await?;
                        let mut transaction = writer.begin_with("BEGIN IMMEDIATE").await?;
                        let connection = transaction.acquire().await?;
                        sqlx::query("UPDATE registry SET version = version + 1000").execute(connection).await
                    };
                    drop(timeout(moment, writing).await);
                }
            }
        }
        assert!(is_durable(&store, &mut raw, &n.to_string()).await, "tenant {n}");
    }
    assert_eq!(store.tenants().await.unwrap().len(), 100);
    assert_eq!(raw.number("SELECT version FROM registry").await, 100);
}

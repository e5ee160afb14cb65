//! Ownership: one server an embedded store, servers that share a database and keep out what needs it alone; and
//! migrations, which can run repeatedly.

use std::any::Any;
use std::pin::pin;
use std::time::Duration;

use rollcall::boot::{BootError, GivenTokens, boot, lock_store};
use rollcall::clock::Clock;
use rollcall::journal::LockMode;
use rollcall::live::state::APPLY_VERSION;
use rollcall::store::{Location, Purpose, Store, StoreError};
use tokio::time::timeout;

use super::{Bench, at, drafts};
use crate::on_both_stores;
use crate::support::audit::try_journal;
use crate::support::raw::RawStore;
use crate::support::tasks::eventually;
use crate::support::{Backend, Home};

on_both_stores!(a_second_server_is_rejected_after_a_wait);
on_both_stores!(a_waiting_server_gets_the_store_when_the_first_exits);
on_both_stores!(migrations_can_run_repeatedly);

/// Longer than one attempt of a migration waits for a table.
const LONGER_THAN_AN_ATTEMPT: Duration = Duration::from_millis(1_500);
/// The time that a server waits for the lock of another.
const LOCK_TIMEOUT: Duration = Duration::from_secs(15);

#[tokio::test]
async fn a_second_journal_on_a_database_is_rejected() {
    let bench = Bench::new(Backend::Postgres).await;
    let second = async || try_journal(&bench.store, APPLY_VERSION).await.is_some();
    assert!(!second().await);
    drop(bench.journal);
    eventually("the first server's lock is released", second).await;
}

#[tokio::test]
async fn servers_on_two_databases_do_not_conflict() {
    let one = Bench::new(Backend::Postgres).await;
    let other = Bench::new(Backend::Postgres).await;
    drop((one, other));
}

#[tokio::test]
async fn migrations_run_only_under_the_lock() {
    for backend in [Backend::Embedded, Backend::Postgres] {
        let home = Home::new(backend).await;
        let first = boot(&home.location, GivenTokens::default(), &Clock::system(), APPLY_VERSION)
            .await
            .expect("the first server starts");
        // The tables as they are left by an older release, which does not compare versions.
        let mut raw = RawStore::open(&home.location).await;
        raw.run("DELETE FROM _sqlx_migrations WHERE version >= 19").await;
        let clock = Clock::manual(at(0));
        let mut second = pin!(boot(&home.location, GivenTokens::default(), &clock, APPLY_VERSION));
        assert!(timeout(NOTICE_TIMEOUT, &mut second).await.is_err(), "the second server waits");
        let command = Store::open(&home.location).await;
        assert!(matches!(command, Err(StoreError::Outdated)), "{backend:?}: {:?}", command.err());
        let applied = raw.number("SELECT count(*) FROM _sqlx_migrations WHERE version >= 19").await;
        assert_eq!(applied, 0, "{backend:?}");
        drop(first);
    }
}

/// Tables of a release that compares versions are migrated beside its servers. Here one of its own migrations is missing, as
/// one of a newer release is then. `migrations_run_only_under_the_lock` is the control, with an older release.
#[tokio::test]
async fn later_migrations_run_beside_servers() {
    let home = Home::new(Backend::Postgres).await;
    let start = async || boot(&home.location, GivenTokens::default(), &Clock::system(), APPLY_VERSION).await;
    let first = start().await.expect("the first server starts");
    let mut raw = RawStore::open(&home.location).await;
    let undo = "DROP TABLE log_in_attempt; DELETE FROM _sqlx_migrations WHERE version = 18";
    const APPLIED: &str = "SELECT count(*) FROM _sqlx_migrations WHERE version = 18";
    raw.run(undo).await;
    drop(Store::open(&home.location).await.expect("a command migrates it"));
    assert_eq!(raw.number(APPLIED).await, 1);
    raw.run(undo).await;
    let second = start().await.expect("a server migrates it");
    assert_eq!(raw.number(APPLIED).await, 1);
    // A statement that holds the table for longer than a migration waits for it: it is tried again.
    raw.run(undo).await;
    let mut reader = RawStore::open(&home.location).await;
    reader.run("BEGIN; LOCK TABLE _sqlx_migrations IN SHARE MODE").await;
    let mut third = pin!(start());
    assert!(timeout(LONGER_THAN_AN_ATTEMPT, &mut third).await.is_err(), "it waits");
    reader.release().await;
    let third = third.await.expect("a server migrates it");
    assert_eq!(raw.number(APPLIED).await, 1);
    drop((first, second, third));
}

#[tokio::test]
async fn tables_of_a_newer_release_are_rejected() {
    for backend in [Backend::Embedded, Backend::Postgres] {
        let home = Home::new(backend).await;
        drop(Store::open(&home.location).await.expect("a new store"));
        let mut raw = RawStore::open(&home.location).await;
        let rejected = async |why: &str| {
            let opened = Store::open(&home.location).await;
            let message = opened.err().map(|error| error.to_string()).unwrap_or_default();
            assert!(message.contains("not of this release") && message.contains(why), "{backend:?}: {message}");
            let booted = boot(&home.location, GivenTokens::default(), &Clock::system(), APPLY_VERSION).await;
            assert!(matches!(booted, Err(BootError::Store(StoreError::Foreign(_)))), "{backend:?}");
        };
        raw.run(
            "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
             SELECT 99999, 'later', success, checksum, 1 FROM _sqlx_migrations WHERE version = 1",
        )
        .await;
        drop(Store::open(&home.location).await.expect("tables with more than this release looks at"));
        raw.run("UPDATE compatibility SET oldest = 99999").await;
        rejected("only releases with migration 99999 can use them").await;
        raw.run("UPDATE compatibility SET oldest = 19; DELETE FROM _sqlx_migrations WHERE version = 99999").await;
        drop(Store::open(&home.location).await.expect("the tables of this release"));
        let other = "(SELECT checksum FROM _sqlx_migrations WHERE version = 2)";
        raw.run(&format!("UPDATE _sqlx_migrations SET checksum = {other} WHERE version = 1")).await;
        rejected("migration 1 has other statements").await;
    }
}

#[tokio::test]
async fn unsuitable_databases_are_rejected_with_the_setting() {
    let options = crate::support::postgres::new_database_with("ENCODING 'LATIN1' TEMPLATE template0 LOCALE 'C'").await;
    let refused = Store::open(&Location::Postgres(Box::new(options))).await.err().map(|error| error.to_string());
    assert!(refused.as_ref().is_some_and(|why| why.contains("server_encoding is LATIN1")), "{refused:?}");
    let options = crate::support::postgres::new_database().await;
    let read_only = options.clone().options([("default_transaction_read_only", "on")]);
    let refused = Store::open(&Location::Postgres(Box::new(read_only))).await.err().map(|error| error.to_string());
    assert!(refused.as_ref().is_some_and(|why| why.contains("default_transaction_read_only")), "{refused:?}");
}

#[tokio::test]
async fn connections_have_a_timeout_and_full_commit_durability() {
    for (given, expected) in [("off", "on"), ("local", "on"), ("remote_apply", "remote_apply")] {
        let options = crate::support::postgres::new_database().await.options([("synchronous_commit", given)]);
        let (store, _) = Store::open(&Location::Postgres(Box::new(options))).await.expect("the store opens");
        let Store::Postgres(store) = store else { panic!("another store") };
        let setting = async |name: &str| -> String {
            let asked = sqlx::query_scalar("SELECT current_setting($1)").bind(name.to_owned());
            asked.fetch_one(store.pool()).await.expect("a setting")
        };
        assert_eq!(setting("synchronous_commit").await, expected, "{given}");
        // PostgreSQL's timeout for silent clients, in ms; 0 on a Unix socket, which has none.
        let timeout = setting("tcp_user_timeout").await;
        assert!(["10000", "0"].contains(&timeout.as_str()), "{timeout}");
    }
}

/// The time within which a waiting server notices a change: it checks ten times a second.
const NOTICE_TIMEOUT: Duration = Duration::from_millis(300);

/// Takes a store for one process alone: as the server of an embedded store, and as a command, or a server of an older
/// release, on a database.
async fn occupy(home: &Home, backend: Backend) -> Box<dyn Any> {
    let clock = Clock::system();
    match backend {
        Backend::Embedded => Box::new(
            boot(&home.location, GivenTokens::default(), &clock, APPLY_VERSION).await.expect("the first server starts"),
        ),
        Backend::Postgres => Box::new(
            lock_store(&home.location, &clock, Purpose::Make, LockMode::Exclusive, APPLY_VERSION)
                .await
                .expect("it is free"),
        ),
    }
}

#[tokio::test]
async fn servers_share_a_database_and_keep_out_what_needs_it_alone() {
    let home = Home::new(Backend::Postgres).await;
    let start = async || boot(&home.location, GivenTokens::default(), &Clock::system(), APPLY_VERSION).await;
    // Both find a database without tables, which one of them makes.
    let (first, second) = tokio::join!(start(), start());
    let servers = [first.expect("the first server starts"), second.expect("the second server starts")];
    let third = start().await.expect("a later one starts");
    drop(third);
    let clock = Clock::manual(at(0));
    let mut alone = pin!(lock_store(&home.location, &clock, Purpose::Read, LockMode::Exclusive, APPLY_VERSION));
    assert!(timeout(NOTICE_TIMEOUT, &mut alone).await.is_err(), "it waits for the servers");
    let [first, second] = servers;
    drop(first);
    assert!(timeout(NOTICE_TIMEOUT, &mut alone).await.is_err(), "it waits for the last one");
    drop(second);
    let alone = timeout(LOCK_TIMEOUT, alone).await.expect("it stops waiting").expect("it has the store");
    let mut server = pin!(boot(&home.location, GivenTokens::default(), &clock, APPLY_VERSION));
    assert!(timeout(NOTICE_TIMEOUT, &mut server).await.is_err(), "a server waits as well");
    drop(alone);
    timeout(LOCK_TIMEOUT, server).await.expect("it stops waiting").expect("the server starts");
}

async fn a_second_server_is_rejected_after_a_wait(backend: Backend) {
    let home = Home::new(backend).await;
    let first = occupy(&home, backend).await;
    let clock = Clock::manual(at(0));
    let mut second = pin!(boot(&home.location, GivenTokens::default(), &clock, APPLY_VERSION));
    assert!(timeout(NOTICE_TIMEOUT, &mut second).await.is_err());
    clock.advance(LOCK_TIMEOUT - Duration::from_millis(1));
    assert!(
        timeout(NOTICE_TIMEOUT, &mut second).await.is_err(),
        "the lock of a server that was just killed may still be held"
    );
    let mut refused = None;
    for _ in 0..5 {
        clock.advance(LOCK_TIMEOUT);
        refused = timeout(NOTICE_TIMEOUT, &mut second).await.ok();
        if refused.is_some() {
            break;
        }
    }
    assert!(matches!(refused, Some(Err(BootError::Taken(_)))), "{:?}", refused.map(|booted| booted.err()));
    drop(first);
}

async fn a_waiting_server_gets_the_store_when_the_first_exits(backend: Backend) {
    let home = Home::new(backend).await;
    let first = occupy(&home, backend).await;
    let clock = Clock::manual(at(0));
    let mut second = pin!(boot(&home.location, GivenTokens::default(), &clock, APPLY_VERSION));
    assert!(timeout(NOTICE_TIMEOUT, &mut second).await.is_err());
    drop(first);
    timeout(LOCK_TIMEOUT, second).await.expect("the second server stops waiting").expect("the second server starts");
}

async fn migrations_can_run_repeatedly(backend: Backend) {
    let mut bench = Bench::new(backend).await;
    let ours = bench.ours;
    bench.append(at(0), &drafts(ours, 0, 3)).await;
    for _ in 0..3 {
        let (store, is_new) = Store::open(&bench.home.location).await.expect("beside the first");
        assert!(!is_new);
        assert_eq!(store.tenants().await.unwrap().len(), 2);
    }
    assert_eq!(bench.ids(ours).await, ["0", "1", "2"], "the data is untouched");
    // Two processes open a store at once that does not exist yet.
    let home = Home::new(backend).await;
    let opening = || async { Store::open(&home.location).await.map(drop) };
    let (one, other) = tokio::join!(opening(), opening());
    one.expect("the first opens the store");
    other.expect("the second opens the store");
}

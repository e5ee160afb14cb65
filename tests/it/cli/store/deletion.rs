//! `rollcall tenant delete`, beside a running server and without one.

use std::time::Duration;

use rollcall::store::Store;

use super::{run, stderr, stdout};
use crate::on_both_stores;
use crate::support::desks::{connected, directory};
use crate::support::process::{Process, store_flags};
use crate::support::raw::RawStore;
use crate::support::sockets::Desk;
use crate::support::tasks::{Stopwatch, eventually};
use crate::support::{ADMIN, Backend, Home};

on_both_stores!(a_running_server_notices_a_deletion_within_a_second);
on_both_stores!(without_a_server_the_command_deletes_every_row);

/// The time within which a change by another process takes effect: a second, and some more for a busy machine.
const EFFECT_TIMEOUT: Duration = Duration::from_millis(1_500);

fn on(home: &Home, arguments: &[&str]) -> assert_cmd::assert::Assert {
    let store = store_flags(&home.location);
    run(&[arguments, &[store[0].as_str(), store[1].as_str()]].concat(), &[])
}

async fn a_running_server_notices_a_deletion_within_a_second(backend: Backend) {
    let home = Home::new(backend).await;
    let process = Process::start(&home.location, &[]).await;
    let api = &process.api;
    let (gone, kept) = (api.persona("gone").await, api.persona("kept").await);
    let now = rollcall::clock::Clock::system().now();
    for key in [&gone.key, &kept.key] {
        api.put_directory(key, &directory(2)).await;
        api.apply(key, &[connected("1", 1, now)]).await;
    }
    let mut desk = Desk::welcomed(api, &gone.key, 2, "a").await;
    assert!(stderr(&on(&home, &["tenant", "delete", &gone.tenant]).code(2)).contains("--yes"));
    assert!(stderr(&on(&home, &["tenant", "delete", "nowhere", "--yes"]).code(1)).contains("no tenant nowhere"));
    let deleted = stdout(&on(&home, &["tenant", "delete", &gone.tenant, "--yes"]).code(0));
    assert_eq!(deleted, "deleted; the running server deletes its rows\n");
    let watch = Stopwatch::start();
    eventually("the key is invalid", async || api.get(&gone.key, "/v1/directory").await.unwrap().status == 401).await;
    assert_eq!(desk.recv().await["reason"], "credential");
    assert_eq!(desk.close_code().await, Some(4_001));
    assert!(watch.elapsed() < EFFECT_TIMEOUT, "{:?}", watch.elapsed());
    assert!(stderr(&on(&home, &["tenant", "delete", &gone.tenant, "--yes"]).code(1)).contains("there is no tenant"));
    assert!(!stdout(&on(&home, &["tenant", "list"]).code(0)).contains(&gone.tenant));
    let metrics = async || api.get(ADMIN, "/metrics").await.unwrap().ok().text;
    let shown = metrics().await;
    assert!(!shown.contains(&gone.tenant) && shown.contains(&kept.tenant), "{shown}");
    let mut raw = RawStore::open(&home.location).await;
    eventually("the rows are gone", async || raw.number("SELECT count(*) FROM tenant").await == 1).await;
    eventually("no deletion is left", async || metrics().await.contains("rollcall_deleted_tenants 0")).await;
    api.apply(&kept.key, &[connected("2", 2, now)]).await;
    let (status, output) = process.terminate().await;
    assert!(status.success() && output.contains("the rows of a deleted tenant are gone"), "{output}");
    assert!(!output.contains("ERROR") && !output.contains("WARN"), "{output}");
    let verified = stdout(&on(&home, &["verify"]).code(0));
    assert!(verified.contains(&kept.tenant) && verified.lines().count() == 1, "{verified}");
}

async fn without_a_server_the_command_deletes_every_row(backend: Backend) {
    let home = Home::new(backend).await;
    let process = Process::start(&home.location, &[]).await;
    let (gone, kept) = (process.api.persona("gone").await, process.api.persona("kept").await);
    for key in [&gone.key, &kept.key] {
        process.api.put_directory(key, &directory(50)).await;
    }
    assert!(process.terminate().await.0.success());
    let before = stdout(&on(&home, &["verify"]).code(0));
    assert_eq!(stdout(&on(&home, &["tenant", "delete", "gone", "--yes"]).code(0)), "deleted\n");
    let (store, _) = Store::open(&home.location).await.expect("the store opens");
    assert!(store.deleted_tenants().await.unwrap().is_empty());
    drop(store);
    let mut raw = RawStore::open(&home.location).await;
    for table in raw.tables().await {
        assert!(!raw.rows(&table).await.join(" ").contains(&gone.tenant), "{table}");
    }
    let after = stdout(&on(&home, &["verify"]).code(0));
    let line = before.lines().find(|line| line.starts_with(&kept.tenant)).expect("the other tenant");
    assert_eq!(after.trim_end(), line, "the other tenant is untouched");
}

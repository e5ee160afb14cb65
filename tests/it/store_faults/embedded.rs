//! The embedded store's file is locked by another process, or its disk is full.

use std::process::Command;
use std::time::Duration;

use rollcall::store::Store;

use super::{Load, RECOVERY_TIMEOUT, REJECTION_TIMEOUT, recovers};
use crate::support::api::Persona;
use crate::support::audit::{Acknowledged, audit};
use crate::support::desks::{SOURCE, connected, directory, event};
use crate::support::process::{Process, program, store_flags};
use crate::support::raw::RawStore;
use crate::support::tasks::{Stopwatch, eventually, eventually_within};
use crate::support::{ADMIN, Api, Backend, Home, Service, tenant_id};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_locked_file_rejects_writes_until_it_is_unlocked() {
    let service = Service::start(Backend::Embedded).await;
    let persona = service.api.persona("tenant").await;
    service.api.put_directory(&persona.key, &directory(10)).await;
    let clock = rollcall::clock::Clock::system();
    let mut raw = RawStore::open(&service.home.location).await;
    let load = Load::start(&service.api, &persona, 4);
    for round in 0..2 {
        tokio::time::sleep(Duration::from_millis(150)).await;
        raw.run("BEGIN EXCLUSIVE").await;
        for n in 0..2 {
            let watch = Stopwatch::start();
            let events = [connected(format!("locked-{round}-{n}"), 9, clock.now())];
            let answer = service.api.events(&persona.key, &events).await.expect("the service answers");
            assert!(answer.is_unavailable(), "{} {}", answer.status, answer.text);
            assert!(watch.elapsed() < REJECTION_TIMEOUT, "rejected after {:?}", watch.elapsed());
            service.api.connected(&persona.key).await;
        }
        raw.run("ROLLBACK").await;
        recovers(&service.api, &persona, &connected(format!("locked-{round}-0"), 9, clock.now())).await;
    }
    let written = load.stop().await;
    assert!(written.refused > 0, "the lock affected the load as well");
    let home = service.stop().await;
    assert_eq!(audit(&home.location, &written.acknowledged).await, [""; 0]);
}

/// An append fails because of a page limit of its connection, and is retried on a new connection, which has none.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_append_to_a_full_file_is_retried() {
    let service = Service::start(Backend::Embedded).await;
    let persona = service.api.persona("tenant").await;
    service.api.put_directory(&persona.key, &directory(10)).await;
    let Store::Sqlite(store) = &service.app.store else { panic!("the store is embedded") };
    let mut writer = store.writer().acquire().await.unwrap();
    let pages: i64 = sqlx::query_scalar("PRAGMA page_count").fetch_one(&mut *writer).await.unwrap();
    let set = sqlx::AssertSqlSafe(format!("PRAGMA max_page_count = {pages}"));
    let limit: i64 = sqlx::query_scalar(set).fetch_one(&mut *writer).await.unwrap();
    assert_eq!(limit, pages);
    writer.release();
    // One clock for all: of two clocks the later one may be some microseconds behind, and its event stale.
    let clock = rollcall::clock::Clock::system();
    let many: Vec<_> = (0..2_000).map(|n| connected(n, 1, clock.now())).collect();
    let answer = service.api.events(&persona.key, &many).await.expect("the service answers").ok();
    assert_eq!(answer.json()["applied"], 2_000);
    let mut writer = store.writer().acquire().await.unwrap();
    let now: i64 = sqlx::query_scalar("PRAGMA max_page_count").fetch_one(&mut *writer).await.unwrap();
    assert!(now > limit, "the failed connection is not reused");
    writer.release();
    let home = service.stop().await;
    assert_eq!(audit(&home.location, &[]).await, [""; 0]);
}

/// The limit of the service's file size in bytes.
const FILE_SIZE_LIMIT: u64 = 3 * 1024 * 1024;

/// On a full disk writes are rejected, and they succeed again once there is room.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_loses_no_acknowledged_event() {
    let home = Home::new(Backend::Embedded).await;
    let mut command = Command::new("prlimit");
    command.arg(format!("--fsize={FILE_SIZE_LIMIT}:unlimited"));
    command.arg(program().get_program()).arg("serve").args(store_flags(&home.location));
    command.args(["--admin-token", ADMIN, "--checkpoint-seconds", "1"]).env_clear().env("PATH", "/usr/bin:/bin");
    let mut process = Process::start_with(command).await;
    let api = process.api.clone();
    let persona = api.persona("tenant").await;
    api.put_directory(&persona.key, &directory(10)).await;

    let mut acknowledged = Vec::new();
    let mut refused = 0;
    for n in 0..10_000 {
        match fill(&api, &persona, n).await {
            Some(ids) => acknowledged.extend(ids),
            None => refused += 1,
        }
        if refused == 3 {
            break;
        }
    }
    assert_eq!(refused, 3, "the disk becomes full");
    assert!(acknowledged.len() > 100, "some writes succeed before");
    assert!(process.is_running());
    assert_eq!(api.connected(&persona.key).await.0, 1, "reads succeed");
    let output = process.output();
    let messages = output.lines().filter(|line| line.contains("append failed")).count();
    assert!(messages > 0, "the failure is logged");
    assert!(messages < 100, "the failure is logged {messages} times");

    let room = Command::new("prlimit").args(["--pid", &process.id().to_string(), "--fsize=unlimited"]).status();
    assert!(room.expect("prlimit runs").success());
    let watch = Stopwatch::start();
    eventually("a write succeeds", async || fill(&api, &persona, 20_000).await.is_some()).await;
    assert!(watch.elapsed() < RECOVERY_TIMEOUT, "it took {:?}", watch.elapsed());
    let (status, output) = process.terminate().await;
    assert!(status.success(), "{status} {output}");
    assert_eq!(audit(&home.location, &acknowledged).await, [""; 0]);
}

/// Without a single event, a full disk shows within seconds.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_server_on_a_full_disk_is_not_ready() {
    let home = Home::new(Backend::Embedded).await;
    let mut command = program();
    command.arg("serve").args(store_flags(&home.location)).args(["--admin-token", ADMIN]);
    let process = Process::start_with(command).await;
    let api = process.api.clone();
    assert!(api.is_ready().await);
    let limit = |size: &str| {
        let id = process.id().to_string();
        let status = Command::new("prlimit").args(["--pid", &id, &format!("--fsize={size}:unlimited")]).status();
        assert!(status.expect("prlimit runs").success());
    };
    limit("1");
    eventually_within(Duration::from_secs(5), "not ready", async || !api.is_ready().await).await;
    limit("unlimited");
    eventually_within(Duration::from_secs(5), "ready again", || api.is_ready()).await;
    let metrics = api.get(ADMIN, "/metrics").await.expect("an answer").text;
    assert!(metrics.contains("rollcall_failed_writes_total{write=\"probe\"}"), "{metrics}");
    let (status, output) = process.terminate().await;
    assert!(status.success(), "{status} {output}");
}

/// Posts large events; returns their ids if they were acknowledged.
async fn fill(api: &Api, persona: &Persona, n: usize) -> Option<Vec<Acknowledged>> {
    let now = rollcall::clock::Clock::system().now();
    let ids: Vec<String> = (0..50).map(|m| format!("{n}-{m}")).collect();
    let data = serde_json::json!({ "session": "desk", "device": "x".repeat(120) });
    let events: Vec<_> = ids.iter().map(|id| event(id, "desk.connected", Some(1), now, data.clone())).collect();
    let watch = Stopwatch::start();
    let answer = api.events(&persona.key, &events).await.expect("the service answers");
    if answer.status == 200 {
        let tenant = tenant_id(&persona.tenant);
        let of = |id: String| (tenant, rollcall::domain::EventId { source: SOURCE.into(), id: id.as_str().into() });
        return Some(ids.into_iter().map(of).collect());
    }
    assert!(answer.is_unavailable(), "{} {}", answer.status, answer.text);
    assert!(watch.elapsed() < REJECTION_TIMEOUT, "rejected after {:?}", watch.elapsed());
    None
}

//! Outages of the service or its store disconnect no user: docs/promises.md S2.

use serde_json::json;

use super::{MILLI, Stage, seconds};
use crate::on_both_stores;
use crate::support::desks::directory;
use crate::support::process::Process;
use crate::support::raw::RawStore;
use crate::support::sockets::Desk;
use crate::support::tasks::{Stopwatch, eventually};
use crate::support::{Backend, Home};

on_both_stores!(an_unavailable_store_keeps_the_connection_open);
on_both_stores!(a_pause_of_the_service_closes_no_desk);
on_both_stores!(a_restart_keeps_users_connected_for_a_full_lease);

async fn an_unavailable_store_keeps_the_connection_open(backend: Backend) {
    let stage = Stage::new(backend, 2).await;
    let mut desk = stage.desk(1, "tab").await;
    let mut late = stage.connect().await;
    let mut raw = RawStore::open(&stage.service.home.location).await;
    raw.block().await;
    let data = json!({ "channel": "chat", "conversation": "c" });
    let answer = desk.event("e1", "slot.taken", data.clone()).await;
    assert_eq!(answer, json!({ "type": "unavailable", "id": "e1", "retry_after": 1 }));
    assert_eq!(late.hello(2, "tab").await, json!({ "type": "unavailable", "retry_after": 1 }));
    raw.release().await;
    eventually("the event is accepted", async || {
        let answer = desk.event("e1", "slot.taken", data.clone()).await;
        answer["outcome"] == "applied" || answer["outcome"] == "duplicate"
    })
    .await;
    eventually("the desk is accepted", async || late.hello(2, "tab").await["type"] == "welcome").await;
    assert_eq!(stage.connected().await, 2);
}

/// The service stands still for longer than a lease. The answers to its pings are read only after it goes on.
async fn a_pause_of_the_service_closes_no_desk(backend: Backend) {
    let home = Home::new(backend).await;
    let terms = ["--desk-lease-seconds", "5", "--desk-heartbeat-seconds", "1"];
    let process = Process::start(&home.location, &terms).await;
    let persona = process.api.persona("tenant").await;
    process.api.put_directory(&persona.key, &directory(1)).await;
    let mut desk = Desk::welcomed(&process.api, &persona.key, 1, "tab").await;
    process.signal("-STOP");
    tokio::time::sleep(seconds(6)).await;
    process.signal("-CONT");
    // Read first: a message of the desk would be a sign of life of its own.
    assert!(tokio::time::timeout(seconds(2), desk.recv()).await.is_err(), "nothing but pings");
    assert_eq!(desk.heartbeat().await["type"], "heartbeat");
    assert_eq!(process.api.connected(&persona.key).await.0, 1);
}

async fn a_restart_keeps_users_connected_for_a_full_lease(backend: Backend) {
    let stage = Stage::new(backend, 3).await;
    let mut desks = Vec::new();
    for user in 1..=3 {
        desks.push(stage.desk(user, "tab").await);
    }
    stage.clock.advance(seconds(40));
    // Connected now, since it has ten seconds for its first message.
    let mut pending = stage.connect().await;
    // No message is in flight; one of the desks does not read.
    let watch = Stopwatch::start();
    let unread = desks.pop();
    let stage = stage.restart().await;
    assert!(watch.elapsed() < seconds(8), "{:?}: a desk that does not read delays the stop", watch.elapsed());
    for desk in &mut desks {
        assert_eq!(desk.close_code().await, Some(1_012));
    }
    assert_eq!(pending.close_code().await, Some(1_012));
    drop(unread);
    assert_eq!((stage.connected().await, stage.position()), (3, 4), "the stop journals nothing");
    let mut back = stage.desk(1, "tab").await;
    assert_eq!(back.heartbeat().await["type"], "heartbeat");
    back.close(1_000).await;
    assert_eq!(stage.connected().await, 2);
    // On PostgreSQL the rest of each lease is left, from the last sign of life; else a full term.
    if backend == Backend::Embedded {
        stage.clock.advance(seconds(45) - MILLI);
        stage.settle().await;
        assert_eq!(stage.connected().await, 2, "no lease ends early");
    }
    stage.clock.advance(seconds(45));
    stage.until_connected(0).await;
}

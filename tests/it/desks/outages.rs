//! Our outage logs nobody off: PROMISES.md S2.

use serde_json::json;

use super::{Stage, seconds};
use crate::on_both_stores;
use crate::support::Backend;
use crate::support::raw::Raw;
use crate::support::tasks::{Stopwatch, eventually};

on_both_stores!(an_unavailable_store_keeps_the_connection_open);
on_both_stores!(a_restart_keeps_users_connected_for_a_full_lease);

async fn an_unavailable_store_keeps_the_connection_open(backend: Backend) {
    let stage = Stage::new(backend, 2).await;
    let mut desk = stage.desk(1, "tab").await;
    let mut late = stage.guest().await;
    let mut raw = Raw::open(&stage.service.home.location).await;
    raw.block().await;
    let data = json!({ "channel": "chat", "conversation": "c" });
    let told = desk.event("e1", "slot.taken", data.clone()).await;
    assert_eq!(told, json!({ "type": "unavailable", "id": "e1", "retry_after": 1 }));
    assert_eq!(late.hello(2, "tab").await, json!({ "type": "unavailable", "retry_after": 1 }));
    raw.release().await;
    eventually("it is taken", async || {
        let told = desk.event("e1", "slot.taken", data.clone()).await;
        told["outcome"] == "applied" || told["outcome"] == "duplicate"
    })
    .await;
    eventually("it is let in", async || late.hello(2, "tab").await["type"] == "welcome").await;
    assert_eq!(stage.connected().await, 2);
}

async fn a_restart_keeps_users_connected_for_a_full_lease(backend: Backend) {
    let stage = Stage::new(backend, 3).await;
    let mut desks = Vec::new();
    for user in 1..=3 {
        desks.push(stage.desk(user, "tab").await);
    }
    let mut guest = stage.guest().await;
    stage.clock.advance(seconds(40));
    // All of them are in the middle of nothing; one does not even listen.
    let watch = Stopwatch::start();
    let deaf = desks.pop();
    let stage = stage.restart().await;
    assert!(watch.elapsed() < seconds(8), "{:?}: nobody is waited for", watch.elapsed());
    for desk in &mut desks {
        assert_eq!(desk.close_code().await, Some(1_012));
    }
    assert_eq!(guest.close_code().await, Some(1_012));
    drop(deaf);
    assert_eq!((stage.connected().await, stage.position()), (3, 4), "nothing was written of it");
    let mut back = stage.desk(1, "tab").await;
    assert_eq!(back.heartbeat().await["type"], "heartbeat");
    back.close(1_000).await;
    assert_eq!(stage.connected().await, 2);
    stage.gone_in(seconds(45)).await;
}

//! Leases of desks, and what ends a connection: docs/promises.md S1 and S3.

use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

use super::{MILLI, Stage, seconds};
use crate::on_both_stores;
use crate::support::Backend;
use crate::support::raw::RawStore;
use crate::support::sockets::Desk;
use crate::support::tasks::eventually;

on_both_stores!(a_clean_close_disconnects_at_once);
on_both_stores!(a_lost_desk_stays_connected_until_its_lease_ends);
on_both_stores!(an_error_close_counts_as_a_lost_connection);
on_both_stores!(answering_pings_keeps_a_desk_connected);
on_both_stores!(every_message_renews_the_lease);
on_both_stores!(either_of_two_devices_keeps_the_user_connected);
on_both_stores!(closing_a_superseded_connection_keeps_the_new_one);
on_both_stores!(a_thousand_lost_desks_disconnect_when_their_leases_end);

async fn a_clean_close_disconnects_at_once(backend: Backend) {
    let stage = Stage::new(backend, 3).await;
    for (user, code) in [(1, 1_000), (2, 1_001)] {
        let mut desk = stage.desk(user, "tab").await;
        desk.event("e", "slot.taken", json!({ "channel": "chat", "conversation": format!("c{user}") })).await;
        assert_eq!(stage.connected().await, 1);
        desk.close(code).await;
        assert_eq!(stage.connected().await, 0, "{code}");
    }
    let mut silent = stage.desk(3, "tab").await;
    silent.send(Message::Close(None)).await;
    silent.close_code().await;
    assert_eq!(stage.connected().await, 0, "a close without a code, as browsers send, is clean");
    let mut raw = RawStore::open(&stage.service.home.location).await;
    let last = raw.journal().await.pop().unwrap();
    assert!(last.event.contains("desk.disconnected"), "{}", last.event);
}

async fn a_lost_desk_stays_connected_until_its_lease_ends(backend: Backend) {
    let stage = Stage::new(backend, 1).await;
    drop(stage.desk(1, "tab").await);
    stage.gone_in(seconds(45)).await;
    assert_eq!(stage.position(), 3, "the directory, the connection, and its end");
}

async fn an_error_close_counts_as_a_lost_connection(backend: Backend) {
    let stage = Stage::new(backend, 1).await;
    stage.desk(1, "tab").await.close(4_000).await;
    stage.gone_in(seconds(45)).await;
}

async fn answering_pings_keeps_a_desk_connected(backend: Backend) {
    let stage = Stage::new(backend, 1).await;
    let desk = stage.desk(1, "tab").await.run_idle();
    // Twenty heartbeats span more than six leases. A ping's answer reaches the engine without an answer to the test, so
    // the test waits a moment for it.
    for _ in 0..20 {
        stage.clock.advance(seconds(15));
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        stage.settle().await;
        assert_eq!(stage.connected().await, 1);
    }
    assert_eq!(stage.position(), 2, "heartbeats are not journalled");
    desk.abort();
    assert!(desk.await.is_err(), "the connection is gone without a close");
    stage.gone_in(seconds(45)).await;
}

async fn every_message_renews_the_lease(backend: Backend) {
    let stage = Stage::new(backend, 1).await;
    let mut desk = stage.desk(1, "tab").await;
    stage.clock.advance(seconds(10));
    assert_eq!(desk.heartbeat().await["position"], 2);
    // Within a second after the last heartbeat nothing more is passed to the engine; the lease is extended nevertheless.
    stage.clock.advance(MILLI * 900);
    assert_eq!(desk.event("e", "status.changed", json!({ "presence": "Away" })).await["outcome"], "applied");
    drop(desk);
    // The service notices the loss and passes the last sign of life to the engine.
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    stage.gone_in(seconds(45)).await;
}

async fn either_of_two_devices_keeps_the_user_connected(backend: Backend) {
    let stage = Stage::new(backend, 1).await;
    let mut desk = stage.desk(1, "desk").await;
    desk.event("e", "status.changed", json!({ "presence": "Away", "channels": { "chat": false } })).await;
    let shown = async || stage.service.api.get(&stage.persona.key, "/operator/1/live").await.unwrap().ok().text;
    let before = shown().await;
    let phone = stage.desk(1, "phone").await;
    assert_eq!(shown().await, before, "a second device changes nothing");
    desk.close(1_000).await;
    assert_eq!((stage.connected().await, shown().await), (1, before));
    phone.close(1_000).await;
    assert_eq!(stage.connected().await, 0);
}

async fn closing_a_superseded_connection_keeps_the_new_one(backend: Backend) {
    let stage = Stage::new(backend, 1).await;
    for code in [1_000, 1_001] {
        let old = stage.desk(1, "tab").await;
        let new = stage.desk(1, "tab").await;
        // The old connection is closed after the new one was accepted.
        old.close(code).await;
        stage.settle().await;
        assert_eq!(stage.connected().await, 1);
        new.close(1_000).await;
        assert_eq!(stage.connected().await, 0);
    }
    // The new connection has a lease of its own.
    let _old = stage.desk(1, "tab").await;
    stage.clock.advance(seconds(40));
    drop(stage.desk(1, "tab").await);
    stage.gone_in(seconds(45)).await;
}

async fn a_thousand_lost_desks_disconnect_when_their_leases_end(backend: Backend) {
    const DESKS: i64 = 1_000;
    let stage = Stage::new(backend, DESKS + 1).await;
    let mut desks = Vec::new();
    for users in (1..=DESKS).collect::<Vec<_>>().chunks(100) {
        let open = users.iter().map(|user| stage.desk(*user, "tab"));
        desks.extend(futures_util::future::join_all(open).await);
    }
    let kept = stage.desk(DESKS + 1, "tab").await;
    stage.until_connected(DESKS as u64 + 1).await;
    drop::<Vec<Desk>>(desks);
    stage.clock.advance(seconds(45) - MILLI);
    stage.settle().await;
    assert_eq!(stage.connected().await, DESKS as u64 + 1, "no lease ends early");
    let mut kept = kept;
    assert_eq!(kept.heartbeat().await["type"], "heartbeat");
    stage.clock.advance(MILLI);
    eventually("the lost desks are disconnected", async || stage.connected().await == 1).await;
}

//! Limits of live operations, and what shows that a connection lives.

use serde_json::json;

use super::socket::Graphql;
use super::{COUNT, Stage, counted, millis};
use crate::support::Backend;
use crate::support::tasks::eventually;

/// Returns a document that no other number gives.
fn distinct(n: usize) -> String {
    format!("subscription{{live{{position a{n}:connectedUsersIndicator{{connectedUsersCount}}}}}}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn equal_operations_share_an_execution_and_distinct_ones_are_limited() {
    let stage = Stage::new(Backend::Embedded).await;
    let mut sockets = Vec::new();
    // 250 equal operations are one execution, beside 199 distinct ones.
    for _ in 0..5 {
        sockets.push(stage.socket().await);
    }
    for (at, socket) in sockets.iter_mut().enumerate() {
        for n in 0..50 {
            socket.subscribe(&format!("equal-{n}"), COUNT).await;
            assert_eq!(socket.next(&format!("equal-{n}")).await, counted(1, 0), "{n}");
        }
        for n in 0..if at == 4 { 0 } else { 49 } {
            socket.subscribe(&format!("{n}"), &distinct(at * 50 + n)).await;
            socket.next(&format!("{n}")).await;
        }
    }
    let mut more = stage.socket().await;
    for n in 0..3 {
        more.subscribe(&format!("{n}"), &distinct(1_000 + n)).await;
        more.next(&format!("{n}")).await;
    }
    more.subscribe("too many", &distinct(2_000)).await;
    assert_eq!(more.close_code().await, Some(1_013));
    drop((more, sockets));
    // Nothing is left of the executions once their sockets are gone.
    eventually("an execution can be started", async || {
        let mut socket = stage.socket().await;
        for n in 0..60 {
            socket.subscribe(&format!("{n}"), &distinct(3_000 + n)).await;
            if socket.recv_unless_closed().await.is_none() {
                return false;
            }
        }
        true
    })
    .await;
    stage.service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sockets_without_a_credential_are_limited() {
    let stage = Stage::new(Backend::Embedded).await;
    let protocol = [("Sec-WebSocket-Protocol", "graphql-transport-ws")];
    let mut guests = Vec::new();
    for _ in 0..100 {
        guests.push(Graphql::connect(&stage.service.api).await);
    }
    assert_eq!(Graphql::open(&stage.service.api, &protocol).await.err(), Some(429));
    // One that shows its credential makes room.
    let key = json!({ "authorization": format!("Bearer {}", stage.persona.key) });
    guests[0].init(key).await;
    assert_eq!(guests[0].recv().await["type"], "connection_ack");
    eventually("there is room", async || Graphql::open(&stage.service.api, &protocol).await.is_ok()).await;
    stage.service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ping_shows_the_newest_position_and_must_be_answered() {
    let stage = Stage::new(Backend::Embedded).await;
    let mut socket = stage.socket().await;
    socket.subscribe("1", COUNT).await;
    assert_eq!(socket.next("1").await, counted(1, 0));
    stage.clock.advance(millis(2_000));
    let ping = socket.recv_any().await;
    assert_eq!((&ping["type"], &ping["payload"]["position"]), (&json!("ping"), &json!(1)));
    assert!(ping["payload"]["time"].is_string() && ping["payload"]["stalenessMs"].is_u64(), "{ping}");
    socket.send(&json!({ "type": "pong" })).await;
    socket.send(&json!({ "type": "ping", "payload": { "mine": 1 } })).await;
    assert_eq!(socket.recv_any().await, json!({ "type": "pong", "payload": { "mine": 1 } }));
    for _ in 0..15 {
        stage.clock.advance(millis(2_000));
        assert_eq!(socket.recv_any().await["type"], "ping");
    }
    stage.clock.advance(millis(2_000));
    assert_eq!(socket.close_code().await, None, "30 s after the first ping without an answer");
    stage.service.stop().await;
}

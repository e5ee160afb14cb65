//! Settings that two servers change at the same time.

use reqwest::Method;
use serde_json::{Value, json};

use super::Stage;
use crate::on_both_stores;
use crate::support::api::{Answer, send};
use crate::support::raw::RawStore;
use crate::support::tasks::spawn;
use crate::support::{ADMIN, Backend, Home};

on_both_stores!(a_change_does_not_undo_that_of_another_server);
on_both_stores!(a_change_is_compared_with_that_of_another_server);

/// Sends a change while another server's change is stored and not yet committed, which is then committed.
async fn during(stage: &Stage, theirs: &str, ours: Value) -> Answer {
    let mut raw = RawStore::open(&stage.service.home.location).await;
    let begin = if matches!(raw, RawStore::Sqlite(_)) { "BEGIN IMMEDIATE" } else { "BEGIN" };
    raw.run(&format!("{begin}; UPDATE tenant SET {theirs}")).await;
    let path = format!("/v1/tenants/{}", stage.persona.tenant);
    let request = stage.service.api.request(Method::PATCH, &path).bearer_auth(ADMIN).json(&ours);
    let sent = spawn(send(request));
    // The service has read by then, if it reads before it writes.
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    raw.run("COMMIT").await;
    sent.await.expect("no panic").expect("an answer")
}

async fn a_change_does_not_undo_that_of_another_server(backend: Backend) {
    let stage = Stage::on(Home::new(backend).await).await;
    let answer = during(&stage, "conversation_days = 9", json!({ "conversation_text": true })).await.ok();
    assert_eq!((&answer.json()["conversation_days"], &answer.json()["conversation_text"]), (&json!(9), &json!(true)));
    let path = format!("/v1/tenants/{}", stage.persona.tenant);
    let stored = stage.service.api.get(ADMIN, &path).await.expect("an answer").ok().json();
    assert_eq!((&stored["conversation_days"], &stored["conversation_text"]), (&json!(9), &json!(true)));
    stage.service.stop().await;
}

async fn a_change_is_compared_with_that_of_another_server(backend: Backend) {
    let stage = Stage::on(Home::new(backend).await).await;
    let answer = during(&stage, "desk_lease_seconds = 10", json!({ "desk_heartbeat_seconds": 20 })).await;
    assert_eq!(answer.status, 422, "{}", answer.text);
    let path = format!("/v1/tenants/{}", stage.persona.tenant);
    let stored = stage.service.api.get(ADMIN, &path).await.expect("an answer").ok().json();
    assert_eq!((&stored["desk_lease_seconds"], &stored["desk_heartbeat_seconds"]), (&json!(10), &Value::Null));
    stage.service.stop().await;
}

//! A silent desk is closed when its credential is revoked, without a frame of its own.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use super::Stage;
use crate::on_both_stores;
use crate::support::api::{Api, send};
use crate::support::sockets::Desk;
use crate::support::tasks::Stopwatch;
use crate::support::{ADMIN, Backend, tenant_id};

on_both_stores!(a_revoked_key_closes_its_silent_desks);
on_both_stores!(a_key_revoked_in_the_store_closes_its_silent_desks);
on_both_stores!(a_revoked_token_closes_its_silent_desks);
on_both_stores!(a_revoked_key_closes_connections_before_their_hello);

/// The time within which a revocation takes effect: a second, and some more for a busy machine.
const EFFECT_TIMEOUT: Duration = Duration::from_millis(1_500);

fn ended() -> Value {
    json!({ "type": "ended", "reason": "credential" })
}

impl Stage {
    /// Creates a key and connects a desk with it; returns the key's id and the desk.
    async fn desk_of_a_key(&self, session: &str) -> (String, Desk) {
        let (id, key) = self.service.api.key(&self.persona.tenant, &["events:write"]).await;
        (id, Desk::welcomed(&self.service.api, &key, 1, session).await)
    }

    async fn revoke(&self, key: &str) {
        let path = format!("/v1/tenants/{}/keys/{key}", self.persona.tenant);
        let answer = send(self.service.api.request(Method::DELETE, &path).bearer_auth(ADMIN)).await.unwrap();
        assert_eq!(answer.status, 204);
    }
}

/// Checks that a desk stays connected.
async fn is_open(mut desk: Desk) {
    assert_eq!(desk.heartbeat().await["type"], "heartbeat");
}

// The clock stands still in these tests, so that no ping is due: nothing but the revocation can close a desk.

async fn a_revoked_key_closes_its_silent_desks(backend: Backend) {
    let stage = Stage::new(backend, 1).await;
    let (id, mut first) = stage.desk_of_a_key("first").await;
    let (_, other) = stage.desk_of_a_key("other").await;
    let theirs = stage.service.api.persona("theirs").await;
    stage.service.api.put_directory(&theirs.key, &crate::support::desks::directory(1)).await;
    let their_desk = Desk::welcomed(&stage.service.api, &theirs.key, 1, "first").await;
    let before = stage.position();
    stage.revoke(&id).await;
    let watch = Stopwatch::start();
    assert_eq!(first.recv().await, ended());
    assert_eq!(first.close_code().await, Some(4_001));
    assert!(watch.elapsed() < EFFECT_TIMEOUT, "{:?}", watch.elapsed());
    is_open(other).await;
    is_open(their_desk).await;
    assert_eq!(stage.position(), before, "the session ends with its lease");
    assert_eq!(stage.connected().await, 1);
}

async fn a_key_revoked_in_the_store_closes_its_silent_desks(backend: Backend) {
    let stage = Stage::new(backend, 1).await;
    let (id, mut desk) = stage.desk_of_a_key("first").await;
    let tenant = tenant_id(&stage.persona.tenant);
    let key = id.parse().unwrap();
    assert!(stage.service.app.store.revoke_key(tenant, key, stage.clock.now()).await.unwrap());
    let mut received = None;
    // Less than the 15 seconds after which a ping would be due.
    for _ in 0..20 {
        stage.clock.advance(Duration::from_millis(500));
        received = tokio::time::timeout(Duration::from_millis(500), desk.recv()).await.ok();
        if received.is_some() {
            break;
        }
    }
    assert_eq!(received, Some(ended()));
}

async fn a_revoked_token_closes_its_silent_desks(backend: Backend) {
    let stage = Stage::new(backend, 1).await;
    let api: &Api = &stage.service.api;
    let (id, key) = api.key(&stage.persona.tenant, &["events:write"]).await;
    let form = [("grant_type", "client_credentials"), ("client_id", &*id), ("client_secret", &*key)];
    let mut tokens = Vec::new();
    for _ in 0..2 {
        let answer = send(api.form("/Auth/connect/token", &form)).await.unwrap().ok();
        tokens.push(answer.json()["access_token"].as_str().unwrap().to_owned());
    }
    let mut first = Desk::welcomed(api, &tokens[0], 1, "first").await;
    let other = Desk::welcomed(api, &tokens[1], 1, "other").await;
    send(api.form("/Auth/connect/revocation", &[("token", &*tokens[0])])).await.unwrap().ok();
    let watch = Stopwatch::start();
    assert_eq!(first.recv().await, ended());
    assert!(watch.elapsed() < EFFECT_TIMEOUT, "{:?}", watch.elapsed());
    is_open(other).await;
}

async fn a_revoked_key_closes_connections_before_their_hello(backend: Backend) {
    let stage = Stage::new(backend, 1).await;
    let (id, key) = stage.service.api.key(&stage.persona.tenant, &["events:write"]).await;
    let mut desk = Desk::with_key(&stage.service.api, &key).await;
    let mut other = stage.connect().await;
    // Answered once the service waits for a message of this connection.
    desk.send_text("{}").await;
    assert_eq!(desk.recv().await["type"], "error");
    stage.revoke(&id).await;
    assert_eq!(desk.close_code().await, Some(1_008));
    assert_eq!(other.hello(1, "tab").await["type"], "welcome");
}

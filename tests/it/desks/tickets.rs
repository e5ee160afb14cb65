//! Tickets, each for one connection of one user's desk from a browser.

use serde_json::{Value, json};

use super::{Stage, seconds};
use crate::on_both_stores;
use crate::support::api::send;
use crate::support::desks::directory;
use crate::support::sockets::Desk;
use crate::support::{ADMIN, Backend};

on_both_stores!(a_ticket_opens_one_connection);
on_both_stores!(a_ticket_expires);
on_both_stores!(a_ticket_is_bound_to_its_user_and_session);
on_both_stores!(a_ticket_is_bound_to_its_tenant);
on_both_stores!(a_ticket_is_revoked_with_its_key);
on_both_stores!(keys_are_accepted_in_every_place);

impl Stage {
    async fn ticket(&self, wanted: Value) -> String {
        let answer = self.service.api.post(&self.persona.key, "/v1/desk/tickets", &wanted).await.unwrap();
        assert_eq!(answer.status, 201, "{}", answer.text);
        answer.json()["ticket"].as_str().expect("a ticket").to_owned()
    }

    async fn with_ticket(&self, ticket: &str) -> Result<Desk, (u16, Value)> {
        Desk::open(&self.service.api, &format!("/v1/desk?ticket={ticket}"), &[]).await
    }

    /// Checks that a ticket is rejected.
    async fn is_rejected(&self, ticket: &str) {
        let refused = self.with_ticket(ticket).await.err();
        let (status, problem) = refused.expect("no connection");
        assert_eq!((status, &problem["type"]), (401, &json!("urn:rollcall:problem:credential-invalid")), "{problem}");
    }
}

async fn a_ticket_opens_one_connection(backend: Backend) {
    let stage = Stage::new(backend, 2).await;
    let ticket = stage.ticket(json!({ "user": "1" })).await;
    // A request that is no WebSocket handshake does not use the ticket.
    let path = format!("/v1/desk?ticket={ticket}");
    let plain = send(stage.service.api.request(reqwest::Method::GET, &path)).await.unwrap();
    assert_eq!(plain.status, 400, "{}", plain.text);
    let mut desk = stage.with_ticket(&ticket).await.expect("a WebSocket");
    let welcome = desk.request(json!({ "type": "hello", "session": "tab" })).await;
    assert_eq!((&welcome["user"], &welcome["session"]), (&json!("1"), &json!("tab")), "{welcome}");
    stage.is_rejected(&ticket).await;
    stage.is_rejected("").await;
    stage.is_rejected("dt_0").await;
    stage.is_rejected(&stage.persona.key).await;
    assert_eq!(stage.connected().await, 1);
    // In the protocol header, as browsers send it.
    let ticket = stage.ticket(json!({ "user": "2", "session": "mine" })).await;
    let protocols = format!("rollcall.desk.v1, ticket.{ticket}");
    let headers = [("Sec-WebSocket-Protocol", protocols.as_str())];
    let mut desk = Desk::open(&stage.service.api, "/v1/desk", &headers).await.expect("a WebSocket");
    let welcome = desk.request(json!({ "type": "hello" })).await;
    assert_eq!((&welcome["user"], &welcome["session"]), (&json!("2"), &json!("mine")), "{welcome}");
    assert_eq!(Desk::open(&stage.service.api, "/v1/desk", &headers).await.err().map(|(status, _)| status), Some(401));
}

async fn a_ticket_expires(backend: Backend) {
    let stage = Stage::new(backend, 1).await;
    let (usual, short) = (stage.ticket(json!({ "user": "1" })).await, json!({ "user": "1", "seconds": 1 }));
    let short = stage.ticket(short).await;
    stage.clock.advance(seconds(1));
    stage.is_rejected(&short).await;
    stage.clock.advance(seconds(58));
    let late = stage.ticket(json!({ "user": "1" })).await;
    stage.with_ticket(&usual).await.expect("a WebSocket");
    stage.clock.advance(seconds(60));
    stage.is_rejected(&late).await;
}

async fn a_ticket_is_bound_to_its_user_and_session(backend: Backend) {
    let stage = Stage::new(backend, 2).await;
    let ticket = stage.ticket(json!({ "user": "1", "session": "tab" })).await;
    let mut desk = stage.with_ticket(&ticket).await.expect("a WebSocket");
    for (hello, why) in [
        (json!({ "type": "hello", "user": "2" }), "the ticket is for another user"),
        (json!({ "type": "hello", "user": "1", "session": "other" }), "the ticket is for another session"),
        (json!({ "type": "hello", "user": "99" }), "unknown user"),
    ] {
        assert_eq!(desk.request(hello).await, json!({ "type": "error", "reason": why }));
    }
    assert_eq!(desk.hello(1, "tab").await["type"], "welcome");
    let before = stage.service.api.post(&stage.persona.key, "/v1/desk/tickets", &json!({ "user": "99" })).await;
    assert_eq!(before.unwrap().status, 404);
}

async fn a_ticket_is_bound_to_its_tenant(backend: Backend) {
    let stage = Stage::new(backend, 1).await;
    let api = &stage.service.api;
    let other = api.persona("other").await;
    api.put_directory(&other.key, &directory(5)).await;
    let ticket = stage.ticket(json!({ "user": "1" })).await;
    let mut desk = stage.with_ticket(&ticket).await.expect("a WebSocket");
    assert_eq!(desk.hello(5, "tab").await["reason"], "unknown user", "the user is another tenant's");
    assert_eq!(desk.hello(1, "tab").await["type"], "welcome");
    assert_eq!((stage.connected().await, api.connected(&other.key).await.0), (1, 0));
    let answer = api.post(&stage.persona.key, "/v1/desk/tickets", &json!({ "user": "5" })).await.unwrap();
    assert_eq!(answer.status, 404, "{}", answer.text);
    let mut theirs = Desk::with_key(api, &other.key).await;
    assert_eq!(theirs.hello(1, "tab").await["type"], "welcome", "the other tenant's user 1 is another user");
    assert_eq!((stage.connected().await, api.connected(&other.key).await.0), (1, 1));
}

async fn a_ticket_is_revoked_with_its_key(backend: Backend) {
    let stage = Stage::new(backend, 1).await;
    let api = &stage.service.api;
    let (id, key) = api.key(&stage.persona.tenant, &["events:write"]).await;
    let made = api.post(&key, "/v1/desk/tickets", &json!({ "user": "1" })).await.unwrap().json();
    let path = format!("/v1/tenants/{}/keys/{id}", stage.persona.tenant);
    send(api.request(reqwest::Method::DELETE, &path).bearer_auth(ADMIN)).await.unwrap().ok();
    stage.is_rejected(made["ticket"].as_str().unwrap()).await;
}

async fn keys_are_accepted_in_every_place(backend: Backend) {
    let stage = Stage::new(backend, 1).await;
    let (api, key) = (&stage.service.api, &stage.persona.key);
    Desk::open(api, &format!("/v1/desk?key={key}"), &[]).await.expect("a WebSocket");
    Desk::open(api, "/v1/desk", &[("X-API-Key", key)]).await.expect("a WebSocket");
    for path in ["/v1/desk", "/v1/desk?key=", "/v1/desk?key=rk_nobody"] {
        assert_eq!(Desk::open(api, path, &[]).await.err().map(|(status, _)| status), Some(401), "{path}");
    }
    let (_, other) = api.key(&stage.persona.tenant, &["operators:write"]).await;
    let refused = Desk::open(api, &format!("/v1/desk?key={other}"), &[]).await.err();
    assert_eq!(refused.map(|(status, _)| status), Some(403));
}

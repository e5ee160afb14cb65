//! The messages of the desk protocol.

use serde_json::{Value, json};

use super::{Stage, seconds};
use crate::on_both_stores;
use crate::support::desks::{connected, event, user_guid};
use crate::support::raw::RawStore;
use crate::support::{ADMIN, Backend};

on_both_stores!(hello_connects_the_user);
on_both_stores!(events_are_acknowledged_with_their_position);
on_both_stores!(event_times_ahead_are_clamped_to_now);
on_both_stores!(an_event_resent_after_a_reconnect_is_a_duplicate);
on_both_stores!(rejected_messages_keep_the_connection_open);
on_both_stores!(leases_are_set_per_tenant);
on_both_stores!(sessions_ended_elsewhere_are_closed_with_a_reason);
on_both_stores!(revoking_a_key_closes_its_connections);

async fn hello_connects_the_user(backend: Backend) {
    let stage = Stage::new(backend, 2).await;
    let mut desk = stage.connect().await;
    let hello = json!({ "type": "hello", "user": user_guid(1), "session": "tab-1", "device": "Firefox" });
    let welcome = desk.request(hello).await;
    let expected = json!({ "type": "welcome", "position": 2, "lease_seconds": 45, "heartbeat_seconds": 15,
                           "user": "1", "session": "tab-1" });
    assert_eq!(welcome, expected);
    assert_eq!(stage.connected().await, 1);
    let mut raw = RawStore::open(&stage.service.home.location).await;
    let journal = raw.journal().await;
    let opened: Value = serde_json::from_str(&journal[1].event).unwrap();
    assert_eq!(opened["type"], "desk.connected");
    let data = json!({ "user": "1", "session": "tab-1", "lease_seconds": 45, "device": "Firefox", "surface": "desk", "socket": true });
    assert_eq!(opened["data"], data);
    assert_eq!(&*journal[1].id.source, "rollcall:desk");
    assert_eq!(desk.heartbeat().await, json!({ "type": "heartbeat", "position": 2 }));
    // A desk that names no session gets one.
    let mut other = stage.connect().await;
    let welcome = other.request(json!({ "type": "hello", "user": "2", "surface": "administration" })).await;
    assert_eq!(welcome["session"].as_str().map(str::len), Some(36), "{welcome}");
    assert_eq!(stage.connected().await, 1, "an administration session does not count as connected");
}

async fn events_are_acknowledged_with_their_position(backend: Backend) {
    let stage = Stage::new(backend, 1).await;
    let mut desk = stage.desk(1, "tab").await;
    let ack = desk.event("e1", "slot.taken", json!({ "channel": "chat", "conversation": "c1" })).await;
    assert_eq!(ack, json!({ "type": "ack", "id": "e1", "outcome": "applied", "position": 3 }));
    let ack = desk.event("e2", "status.changed", json!({ "channels": { "chat": false } })).await;
    assert_eq!((&ack["outcome"], &ack["position"]), (&json!("applied"), &json!(4)));
    let live = stage.service.api.get(&stage.persona.key, "/operator/1/live").await.unwrap().ok();
    assert_eq!(live.position(), 4);
    assert!(live.text.contains("\"chat\""), "{}", live.text);
    let ack = desk.event("e3", "slots.synced", json!({ "channel": "chat", "conversations": [] })).await;
    assert_eq!(ack["outcome"], "applied");
    let started = json!({ "conversation": "cbe51cd9-0000-4000-8000-000000000001", "project": 7, "channel": "CHAT" });
    let ack = desk.event("e4", "conversation.started", started).await;
    assert_eq!((&ack["type"], &ack["id"]), (&json!("ack"), &json!("e4")), "{ack}");
    let mut raw = RawStore::open(&stage.service.home.location).await;
    let line = raw.journal().await.remove(2);
    assert_eq!((&*line.id.source, &*line.id.id), ("desk:1/tab", "e1"));
}

async fn event_times_ahead_are_clamped_to_now(backend: Backend) {
    let stage = Stage::new(backend, 1).await;
    let mut desk = stage.desk(1, "tab").await;
    for (id, ahead, outcome) in
        [("a", 240, "applied"), ("b", 300, "applied"), ("c", 301, "rejected"), ("d", 0, "applied")]
    {
        let time = stage.clock.now().plus_seconds(ahead).to_string();
        let event = json!({ "type": "status.changed", "time": time, "data": { "channels": { "chat": id == "d" } } });
        let ack = desk.request(json!({ "type": "event", "id": id, "event": event })).await;
        assert_eq!(ack["outcome"], outcome, "{ahead} s ahead: {ack}");
    }
    let mut raw = RawStore::open(&stage.service.home.location).await;
    let reported: Vec<_> = raw.journal().await.into_iter().skip(2).collect();
    assert_eq!(reported.len(), 3);
    for line in reported {
        let event: Value = serde_json::from_str(&line.event).unwrap();
        assert_eq!(event["time"], json!(stage.clock.now().to_string()), "{event}");
    }
}

async fn an_event_resent_after_a_reconnect_is_a_duplicate(backend: Backend) {
    let stage = Stage::new(backend, 1).await;
    let data = json!({ "channel": "chat", "conversation": "c1" });
    let mut desk = stage.desk(1, "tab").await;
    assert_eq!(desk.event("e1", "slot.taken", data.clone()).await["outcome"], "applied");
    drop(desk);
    let mut desk = stage.desk(1, "tab").await;
    let before = stage.position();
    let again = desk.event("e1", "slot.taken", data.clone()).await;
    assert_eq!(again, json!({ "type": "ack", "id": "e1", "outcome": "duplicate", "position": before }));
    let mut other = stage.desk(1, "phone").await;
    assert_eq!(other.event("e1", "slot.taken", data).await["outcome"], "applied", "ids are per session");
}

async fn rejected_messages_keep_the_connection_open(backend: Backend) {
    let stage = Stage::new(backend, 1).await;
    let mut desk = stage.connect().await;
    assert_eq!(desk.heartbeat().await, json!({ "type": "error", "reason": "hello comes first" }));
    assert_eq!(desk.hello(99, "tab").await, json!({ "type": "error", "reason": "unknown user" }));
    assert_eq!(desk.hello(1, "").await["type"], "error");
    assert_eq!(desk.hello(1, "tab").await["type"], "welcome");
    let before = stage.position();
    for (kind, data) in [
        ("slot.taken", json!({ "channel": "fax", "conversation": "c" })),
        ("slot.taken", json!({})),
        ("desk.disconnected", json!({ "session": "other" })),
        ("desk.lease_expired", json!({ "session": "tab", "opened": 2 })),
        ("user.deleted", json!({})),
    ] {
        let ack = desk.event("e", kind, data).await;
        assert_eq!((&ack["outcome"], &ack["position"]), (&json!("rejected"), &json!(before)), "{ack}");
        assert!(ack["reason"].is_string(), "{ack}");
    }
    let others = json!({ "type": "slot.taken", "subject": "2", "data": { "channel": "chat", "conversation": "c" } });
    let ack = desk.request(json!({ "type": "event", "id": "e", "event": others })).await;
    assert_eq!(ack["outcome"], "rejected", "a desk reports events of its own user only: {ack}");
    assert_eq!(stage.position(), before);
    let ack = desk.event("e", "slot.taken", json!({ "channel": "chat", "conversation": "c" })).await;
    assert_eq!(ack["outcome"], "applied", "its id was not consumed: {ack}");
}

async fn leases_are_set_per_tenant(backend: Backend) {
    let stage = Stage::new(backend, 1).await;
    let path = format!("/v1/tenants/{}", stage.persona.tenant);
    for (changes, lease, heartbeat) in [
        (json!({ "desk_lease_seconds": 20 }), 20, 10),
        (json!({ "desk_heartbeat_seconds": 5 }), 20, 5),
        (json!({ "desk_lease_seconds": null, "desk_heartbeat_seconds": 22 }), 45, 22),
    ] {
        let request = stage.service.api.request(reqwest::Method::PATCH, &path).bearer_auth(ADMIN).json(&changes);
        crate::support::api::send(request).await.unwrap().ok();
        let welcome = stage.connect().await.hello(1, "tab").await;
        assert_eq!((&welcome["lease_seconds"], &welcome["heartbeat_seconds"]), (&json!(lease), &json!(heartbeat)));
    }
}

async fn sessions_ended_elsewhere_are_closed_with_a_reason(backend: Backend) {
    let stage = Stage::new(backend, 1).await;
    let ended = |reason: &str| json!({ "type": "ended", "reason": reason });
    // Closed by an event from elsewhere.
    let mut desk = stage.desk(1, "tab").await;
    stage.apply(event(1, "desk.disconnected", Some(1), stage.clock.now(), json!({ "session": "tab" }))).await;
    stage.clock.advance(seconds(1));
    desk.send_text(r#"{"type":"heartbeat"}"#).await;
    assert_eq!(desk.recv().await, ended("closed"));
    assert_eq!(desk.close_code().await, Some(4_001));
    // Replaced by a connection that an event from elsewhere reports.
    let mut desk = stage.desk(1, "desk-1").await;
    stage.apply(connected(2, 1, stage.clock.now())).await;
    assert_eq!(desk.recv().await, ended("replaced"));
    assert_eq!(desk.close_code().await, Some(4_001));
    assert_eq!(stage.connected().await, 1, "by the connection from elsewhere");
    // Replaced by another connection while the old one is still open.
    let mut old = stage.desk(1, "tab").await;
    let _new = stage.desk(1, "tab").await;
    assert_eq!(old.recv().await, ended("replaced"));
    assert_eq!(old.close_code().await, Some(4_001));
}

async fn revoking_a_key_closes_its_connections(backend: Backend) {
    let stage = Stage::new(backend, 1).await;
    let api = &stage.service.api;
    let (id, key) = api.key(&stage.persona.tenant, &["events:write"]).await;
    let mut desk = crate::support::sockets::Desk::welcomed(api, &key, 1, "tab").await;
    let path = format!("/v1/tenants/{}/keys/{id}", stage.persona.tenant);
    let revoked = api.request(reqwest::Method::DELETE, &path).bearer_auth(ADMIN);
    assert_eq!(crate::support::api::send(revoked).await.unwrap().status, 204);
    let before = stage.position();
    let answer = desk.event("e1", "slot.taken", json!({ "channel": "chat", "conversation": "c" })).await;
    assert_eq!(answer, json!({ "type": "ended", "reason": "credential" }));
    assert_eq!(desk.close_code().await, Some(4_001));
    assert_eq!(stage.position(), before);
    stage.gone_in(seconds(45)).await;
}

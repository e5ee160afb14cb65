//! The time since which a user's reasons, presence and connection are as they are, through HTTP: recorded time, left
//! alone by what changes nothing, kept over a restart, and not known before a checkpoint of an older release.

use std::time::Duration;

use rollcall::domain::Time;
use rollcall::live::state::APPLY_VERSION;
use serde_json::{Value, json};

use super::Stage;
use crate::on_both_stores;
use crate::support::desks::{connected, event, taken, toggled};
use crate::support::raw::RawStore;
use crate::support::{Backend, Home, Service, Setup};

on_both_stores!(values_are_as_old_as_their_last_change);
on_both_stores!(times_before_an_older_release_stopped_are_null);

/// What is read of user 1.
const USER: &str = "{user(id:1){presence{since connectedSince} availability{chat{reason since} call{reason since}
    video{reason since} best{reason since} either:best(channels:[CALL,CHAT]){reason since}}}}";

impl Stage {
    /// Moves the clock by a second; returns the new time.
    fn tick(&self) -> Time {
        self.clock.advance(Duration::from_secs(1));
        self.now()
    }

    /// Returns user 1 as GraphQL shows it.
    async fn shown(&self) -> Value {
        let answer = self.service.api.graphql(&self.persona.key, USER).await.expect("an answer").ok();
        answer.json()["data"]["user"].clone()
    }

    /// Returns the reasons on chat, call, video, the best of all and that of the first two, each with its time.
    async fn reasons(&self) -> Vec<(String, Value)> {
        let shown = self.shown().await;
        let on = |name: &str| {
            let on = &shown["availability"][name];
            (on["reason"].as_str().expect("a reason").to_owned(), on["since"].clone())
        };
        ["chat", "call", "video", "best", "either"].map(on).to_vec()
    }

    /// Returns the times of presence and connection.
    async fn presence(&self) -> (Value, Value) {
        let presence = self.shown().await["presence"].clone();
        (presence["since"].clone(), presence["connectedSince"].clone())
    }

    async fn put(&self, document: Value) {
        self.service.api.put_directory(&self.persona.key, &document).await;
    }
}

/// A choice of a presence by user 1. Its event time is an hour before the others: recorded time is what counts.
fn chosen(id: &str, presence: &str, now: Time) -> Value {
    event(id, "status.changed", Some(1), now.plus_seconds(-3_600), json!({ "presence": presence }))
}

fn each(reasons: [(&str, Time); 5]) -> Vec<(String, Value)> {
    reasons.map(|(reason, since)| (reason.to_owned(), json!(since.to_string()))).to_vec()
}

async fn values_are_as_old_as_their_last_change(backend: Backend) {
    let mut stage = Stage::new(backend, 2).await;
    let made = stage.now();
    let since = |presence: Time, connection: Time| (json!(presence.to_string()), json!(connection.to_string()));
    assert_eq!(stage.reasons().await, each([("OFFLINE", made); 5]), "since the user was made");
    assert_eq!(stage.presence().await, since(made, made));

    let came = stage.tick();
    stage.apply(connected("came", 1, came.plus_seconds(-3_600))).await;
    let at_work =
        each([("AVAILABLE", came), ("AVAILABLE", came), ("DISABLED", came), ("AVAILABLE", came), ("AVAILABLE", came)]);
    assert_eq!(stage.reasons().await, at_work);
    // None of these changes a reason: a second session, a switch that is on, a ready presence, a name, an event about
    // another user.
    let later = stage.tick();
    stage.apply(event("tab", "desk.connected", Some(1), later, json!({ "session": "tab" }))).await;
    stage.apply(toggled("on", 1, later, true)).await;
    stage.apply(chosen("ready", "Ready", later)).await;
    stage.put(json!({ "users": [{ "id": 1, "name": "Another name" }] })).await;
    stage.apply(connected("other", 2, later)).await;
    assert_eq!(stage.reasons().await, at_work);
    assert_eq!(stage.presence().await, since(came, came));

    // Two of three chats on chat, and without chat and call the line is blocked; then the directory takes a slot away.
    let busy = stage.tick();
    stage.apply(taken("one", 1, "a", busy)).await;
    stage.apply(taken("two", 1, "b", stage.tick())).await;
    let narrow = stage.tick();
    stage.put(json!({ "users": [{ "id": 1, "channels": { "chat": { "enabled": true, "max_slots": 2 } } }] })).await;
    let full = [("FULL", narrow), ("BLOCKED", busy), ("DISABLED", came), ("FULL", narrow), ("FULL", narrow)];
    assert_eq!(stage.reasons().await, each(full));
    stage.tick();
    stage.put(json!({ "users": [{ "id": 1, "channels": { "chat": { "enabled": true, "max_slots": 1 } } }] })).await;
    assert_eq!(stage.reasons().await, each(full), "still full");

    let away = stage.tick();
    stage.apply(chosen("away", "Away", away)).await;
    stage.tick();
    stage.apply(chosen("again", "Away", stage.now())).await;
    let gone = each([("AWAY", away), ("AWAY", away), ("DISABLED", came), ("AWAY", away), ("AWAY", away)]);
    assert_eq!(stage.reasons().await, gone);
    assert_eq!(stage.presence().await, since(away, came));
    let shown = stage.shown().await;
    stage.tick();
    stage = stage.restart().await;
    assert_eq!(stage.shown().await, shown, "a restart changes no time");

    let disconnected = |session: &str, now: Time| {
        event(format!("end of {session}"), "desk.disconnected", Some(1), now, json!({ "session": session }))
    };
    stage.apply(disconnected("tab", stage.tick())).await;
    assert_eq!(stage.presence().await, since(away, came), "one of two desks");
    let left = stage.tick();
    stage.apply(disconnected("desk-1", left)).await;
    assert_eq!(stage.reasons().await, each([("OFFLINE", left); 5]));
    assert_eq!(stage.presence().await, since(left, left));
    stage.service.stop().await;
}

/// Makes the checkpoints and entries of a stopped store those of the release before the times were kept.
async fn make_older(service: Service, backend: Backend) -> Home {
    let home = service.stop().await;
    let mut raw = RawStore::open(&home.location).await;
    let older = APPLY_VERSION - 1;
    let without = match backend {
        Backend::Embedded => "json_remove(body, '$.since')",
        Backend::Postgres => "(body::jsonb - 'since')::json",
    };
    raw.run(&format!("UPDATE state_row SET body = {without} WHERE kind = 'user'")).await;
    raw.run(&format!(
        "UPDATE checkpoint SET apply_version = {older}; UPDATE journal SET apply_version = {older};
                      UPDATE head SET apply_version = {older}"
    ))
    .await;
    home
}

async fn times_before_an_older_release_stopped_are_null(backend: Backend) {
    let stage = Stage::new(backend, 1).await;
    stage.apply(connected("came", 1, stage.now())).await;
    let Stage { service, clock, persona } = stage;
    let home = make_older(service, backend).await;
    let service = Service::start_on(home, Setup { clock: clock.clone(), ..Setup::default() }).await;
    let stage = Stage { service, clock, persona };
    let unknown = ["AVAILABLE", "AVAILABLE", "DISABLED", "AVAILABLE", "AVAILABLE"];
    assert_eq!(stage.reasons().await, unknown.map(|reason| (reason.to_owned(), Value::Null)));
    assert_eq!(stage.presence().await, (Value::Null, Value::Null));
    let off = stage.tick();
    stage.apply(toggled("off", 1, off, false)).await;
    let known = stage.reasons().await;
    assert_eq!(known[0], (String::from("SWITCHED_OFF"), json!(off.to_string())));
    assert_eq!(known[1], (String::from("AVAILABLE"), Value::Null), "its reason did not change");
    let stage = stage.restart().await;
    assert_eq!(stage.reasons().await, known);
    stage.service.stop().await;
}

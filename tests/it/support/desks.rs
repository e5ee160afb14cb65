//! Events as desks and back ends send them, and the directory document that they refer to.

use rollcall::domain::Time;
use serde_json::{Map, Value, json};

/// The `source` of every event made here.
pub const SOURCE: &str = "/tests";

/// Returns an event in its JSON form.
pub fn event(id: impl ToString, kind: &str, subject: Option<i64>, time: Time, data: Value) -> Value {
    let mut event = Map::new();
    event.insert("specversion".into(), "1.0".into());
    event.insert("id".into(), id.to_string().into());
    event.insert("source".into(), SOURCE.into());
    event.insert("type".into(), kind.into());
    if let Some(user) = subject {
        event.insert("subject".into(), user.to_string().into());
    }
    event.insert("time".into(), time.to_string().into());
    event.insert("data".into(), data);
    Value::Object(event)
}

/// Returns a `desk.connected` without a lease; the session is named after the user.
pub fn connected(id: impl ToString, user: i64, time: Time) -> Value {
    event(id, "desk.connected", Some(user), time, json!({ "session": format!("desk-{user}") }))
}

/// Returns a `desk.connected` with a lease.
pub fn leased(id: impl ToString, user: i64, session: &str, time: Time, seconds: u32) -> Value {
    event(id, "desk.connected", Some(user), time, json!({ "session": session, "lease_seconds": seconds }))
}

/// Returns a `desk.heartbeat`.
pub fn heartbeat(id: impl ToString, user: i64, session: &str, time: Time) -> Value {
    event(id, "desk.heartbeat", Some(user), time, json!({ "session": session }))
}

/// Returns a `slot.taken` on chat.
pub fn taken(id: impl ToString, user: i64, conversation: &str, time: Time) -> Value {
    event(id, "slot.taken", Some(user), time, json!({ "channel": "chat", "conversation": conversation }))
}

/// Returns a `status.changed` that switches chat on or off.
pub fn toggled(id: impl ToString, user: i64, time: Time, on: bool) -> Value {
    event(id, "status.changed", Some(user), time, json!({ "channels": { "chat": on } }))
}

/// Returns the GUID of a user of [`directory`].
pub fn user_guid(id: i64) -> String {
    format!("5ea70000-0000-4000-8000-{id:012}")
}

/// The GUID of the presence that [`directory`] defines.
pub const BREAK: &str = "b4ea4000-0000-4000-8000-000000000001";

/// Returns a document with `users` users, numbered from 1, each an operator with chat and calls enabled, and with one
/// queue, group, skill and presence definition, which all users share.
pub fn directory(users: i64) -> Value {
    let user = |id: i64| {
        json!({ "id": id, "guid": user_guid(id), "name": format!("user {id}"), "roles": ["operator"], "queues": [1],
                "groups": [1], "skills": [1],
                "channels": { "chat": { "enabled": true, "max_slots": 3 }, "call": { "enabled": true, "max_slots": 1 } } })
    };
    json!({ "queues": [{ "id": 1, "name": "queue" }], "groups": [{ "id": 1, "name": "group" }],
            "skills": [{ "id": 1, "name": "skill" }],
            "presence_definitions": [{ "id": 1, "guid": BREAK, "category": "Away", "description": "Break" }],
            "users": (1..=users).map(user).collect::<Vec<_>>() })
}

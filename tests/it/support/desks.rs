//! What desks and back ends send: events, and the directory that they are about.

use rollcall::domain::Time;
use serde_json::{Map, Value, json};

/// The source of every event here.
pub const SOURCE: &str = "/tests";

/// An event as it goes over the wire.
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

/// A desk opens, for as long as it stays open.
pub fn connected(id: impl ToString, user: i64, time: Time) -> Value {
    event(id, "desk.connected", Some(user), time, json!({ "session": format!("desk-{user}") }))
}

/// A desk opens that must be heard of every so many seconds.
pub fn leased(id: impl ToString, user: i64, session: &str, time: Time, seconds: u32) -> Value {
    event(id, "desk.connected", Some(user), time, json!({ "session": session, "lease_seconds": seconds }))
}

/// A desk is still there.
pub fn heartbeat(id: impl ToString, user: i64, session: &str, time: Time) -> Value {
    event(id, "desk.heartbeat", Some(user), time, json!({ "session": session }))
}

/// A person takes a chat.
pub fn taken(id: impl ToString, user: i64, conversation: &str, time: Time) -> Value {
    event(id, "slot.taken", Some(user), time, json!({ "channel": "chat", "conversation": conversation }))
}

/// A person switches chat on or off: changes state whatever came before.
pub fn toggled(id: impl ToString, user: i64, time: Time, on: bool) -> Value {
    event(id, "status.changed", Some(user), time, json!({ "channels": { "chat": on } }))
}

/// The GUID of a user of [`directory`].
pub fn user_guid(id: i64) -> String {
    format!("5ea70000-0000-4000-8000-{id:012}")
}

/// The GUID of the presence that [`directory`] defines.
pub const BREAK: &str = "b4ea4000-0000-4000-8000-000000000001";

/// So many users, from id 1, who may do everything.
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

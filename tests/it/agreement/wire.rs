//! Generated events in the JSON form that desks and back ends send.

use rollcall::domain::{Event, EventBody, EventId};
use serde_json::{Map, Value, json};

/// Returns the document of a directory event.
pub fn document(event: &Event) -> Value {
    let EventBody::DirectoryUpserted { document, .. } = &event.fact.body else { panic!("{event:?} is no directory") };
    serde_json::to_value(document).expect("plain types")
}

/// Returns the id of an event in JSON form.
pub fn id(event: &Value) -> EventId {
    let text = |member: &str| event[member].as_str().expect("a text");
    EventId { source: text("source").into(), id: text("id").into() }
}

/// Converts an event to its JSON form.
pub fn event(event: &Event) -> Value {
    let fact = serde_json::to_value(&event.fact).expect("plain types");
    let Value::Object(mut data) = fact["data"].clone() else { panic!("{fact} has no data") };
    let mut wire = Map::new();
    if let Some(user) = data.remove("user") {
        wire.insert("subject".into(), user);
    }
    if let EventBody::StatusChanged { channels, .. } = &event.fact.body {
        let switches = channels.iter().map(|(channel, on)| (channel.name().to_owned(), json!(on)));
        data.insert("channels".into(), Value::Object(switches.collect()));
    }
    wire.insert("specversion".into(), "1.0".into());
    wire.insert("id".into(), event.id.id.to_string().into());
    wire.insert("source".into(), event.id.source.to_string().into());
    wire.insert("type".into(), fact["type"].clone());
    wire.insert("time".into(), fact["time"].clone());
    wire.insert("data".into(), Value::Object(data));
    Value::Object(wire)
}

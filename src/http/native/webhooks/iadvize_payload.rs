//! Translates a webhook of iAdvize into the event that it reports, in our own envelope
//! (docs/reference/native.md, "Webhooks of iAdvize").

use std::fmt;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, Value, json};

use crate::domain::json::{self, Object};
use crate::domain::{Channel, EntityRef, Fault, UserRef};

/// The single session of a user that the vendor reports as connected: its webhooks do not identify desks.
const SESSION: &str = "iadvize";

#[derive(Deserialize)]
struct Kind {
    #[serde(rename = "eventType")]
    name: String,
}

/// Members that every webhook has.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Origin {
    event_id: String,
    platform: String,
    client_id: ClientId,
    created_at: String,
}

/// The id of the vendor's customer. The vendor's documentation does not define its JSON type.
#[derive(Deserialize)]
#[serde(untagged)]
enum ClientId {
    Number(u64),
    Text(String),
}

impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ClientId::Number(number) => number.fmt(f),
            ClientId::Text(text) => text.fmt(f),
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OfUser {
    user_id: EntityRef,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AvailabilityUpdated {
    user_id: EntityRef,
    #[serde(deserialize_with = "json::list")]
    availabilities: Vec<Availability>,
}

#[derive(Deserialize)]
struct Availability {
    channel: SlotChannel,
    status: Availableness,
}

#[derive(Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum SlotChannel {
    Chat,
    Call,
    Video,
    ThirdParty,
}

impl SlotChannel {
    const fn ours(&self) -> Channel {
        match self {
            SlotChannel::Chat => Channel::Chat,
            SlotChannel::Call => Channel::Call,
            SlotChannel::Video => Channel::Video,
            SlotChannel::ThirdParty => Channel::ThirdParty,
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum Availableness {
    Available,
    Unavailable,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Pushed {
    operator_id: EntityRef,
    conversation_id: String,
    project_id: EntityRef,
    channel: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Closed {
    conversation_id: String,
}

/// The event that a webhook reports.
struct Meaning {
    kind: &'static str,
    user: Option<EntityRef>,
    data: Value,
}

/// Translates a webhook into an event; `None` for a type without a meaning here. Unknown members are ignored, so that
/// the vendor can add some. [`Fault::Malformed`] if a required member is missing or has another type.
pub fn read(body: &[u8]) -> Result<Option<Box<RawValue>>, Fault> {
    let Kind { name } = part(body)?;
    let Some(Meaning { kind, user, data }) = meaning(&name, body)? else { return Ok(None) };
    let Origin { event_id, platform, client_id, created_at } = part(body)?;
    let mut event = json!({
        "specversion": "1.0",
        "id": event_id,
        "source": format!("iadvize:{platform}/{client_id}"),
        "type": kind,
        "time": created_at,
        "data": data,
    });
    if let Some(user) = user {
        event["subject"] = UserRef::Entity(user).to_string().into();
    }
    to_raw_value(&event).map(Some).map_err(|_| Fault::Internal)
}

fn meaning(name: &str, body: &[u8]) -> Result<Option<Meaning>, Fault> {
    let (kind, user, data) = match name {
        "user.connected" => ("desk.connected", Some(part::<OfUser>(body)?.user_id), json!({ "session": SESSION })),
        "user.disconnected" => {
            ("desk.disconnected", Some(part::<OfUser>(body)?.user_id), json!({ "session": SESSION }))
        }
        "user.availability.updated" => {
            let updated: AvailabilityUpdated = part(body)?;
            ("status.changed", Some(updated.user_id), json!({ "channels": switches(&updated.availabilities)? }))
        }
        "v2.conversation.pushed" => {
            let Pushed { operator_id, conversation_id, project_id, channel } = part(body)?;
            let data = json!({ "conversation": conversation_id, "channel": channel, "project": project_id });
            ("conversation.pushed", Some(operator_id), data)
        }
        // `operatorIds` lists everyone who took part; the event releases the user who holds the conversation now.
        "v2.conversation.closed" => {
            ("conversation.closed", None, json!({ "conversation": part::<Closed>(body)?.conversation_id }))
        }
        _ => return Ok(None),
    };
    Ok(Some(Meaning { kind, user, data }))
}

/// Returns the switches by channel. [`Fault::Malformed`] for a channel given twice, since the two may contradict.
fn switches(availabilities: &[Availability]) -> Result<Map<String, Value>, Fault> {
    let mut switches = Map::new();
    for Availability { channel, status } in availabilities {
        let name = channel.ours().name();
        let is_on = matches!(status, Availableness::Available);
        if switches.insert(name.to_owned(), is_on.into()).is_some() {
            return Err(Fault::Malformed(format!("the channel {name} is given twice")));
        }
    }
    Ok(switches)
}

/// Parses the members of the body that `T` has.
fn part<T: DeserializeOwned>(body: &[u8]) -> Result<T, Fault> {
    let mut reader = serde_json::Deserializer::from_slice(body);
    let read: Result<Object<T>, _> = serde_path_to_error::deserialize(&mut reader);
    let malformed = |why: String| Fault::Malformed(format!("the webhook cannot be read: {why}"));
    let Object(part) = read.map_err(|error| match error.path().iter().next() {
        None => malformed(error.inner().to_string()),
        Some(_) => malformed(format!("{}: {}", error.path(), error.inner())),
    })?;
    reader.end().map_err(|error| malformed(error.to_string()))?;
    Ok(part)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::event::admit;
    use crate::domain::{EventBody, Time};

    fn webhook(kind: &str, rest: &str) -> String {
        format!(
            r#"{{"eventId":"e-1","eventType":"{kind}","platform":"ha","clientId":77,"createdAt":"2021-03-01T10:00:00+02:00",
               "sentAt":"2021-03-01T08:00:01Z","projectId":7,{rest}}}"#
        )
    }

    #[test]
    fn availability_webhooks_become_status_events() {
        let body = webhook(
            "user.availability.updated",
            r#""userId":101,"origin":"desk","availabilities":[{"channel":"CHAT","status":"AVAILABLE"},
               {"channel":"THIRD_PARTY","status":"UNAVAILABLE"}]"#,
        );
        let raw = read(body.as_bytes()).unwrap().unwrap();
        let event = admit(&raw, Time::parse("2021-03-01T08:00:00Z").unwrap()).unwrap();
        assert_eq!((&*event.id.source, &*event.id.id), ("iadvize:ha/77", "e-1"));
        assert_eq!(event.fact.time.to_string(), "2021-03-01T08:00:00Z");
        let EventBody::StatusChanged { user, channels, .. } = event.fact.body else { panic!("{event:?}") };
        assert_eq!(user, UserRef::id(101));
        assert_eq!(channels, [(Channel::Chat, true), (Channel::ThirdParty, false)]);
    }

    #[test]
    fn conversation_webhooks_become_conversation_events() {
        let read = |kind, rest| serde_json::to_value(read(webhook(kind, rest).as_bytes()).unwrap().unwrap()).unwrap();
        let pushed = read("v2.conversation.pushed", r#""conversationId":"c","operatorId":101,"channel":"CHAT""#);
        assert_eq!((&pushed["type"], &pushed["subject"]), (&json!("conversation.pushed"), &json!("101")));
        assert_eq!(pushed["data"], json!({ "conversation": "c", "channel": "CHAT", "project": 7 }));
        let closed = read("v2.conversation.closed", r#""conversationId":"c","operatorIds":[101,102]"#);
        assert_eq!((&closed["type"], closed.get("subject")), (&json!("conversation.closed"), None));
        assert_eq!(closed["data"], json!({ "conversation": "c" }));
    }

    #[test]
    fn webhooks_of_unknown_types_are_ignored() {
        assert!(read(webhook("user.created", r#""userId":"x""#).as_bytes()).unwrap().is_none());
        assert!(read(br#"{"eventType":"v3.something"}"#).unwrap().is_none());
        assert!(read(br#"{"eventType":null}"#).is_err());
        assert!(read(br#"["user.created"]"#).is_err());
    }
}

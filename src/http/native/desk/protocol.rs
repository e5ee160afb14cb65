//! The messages between desk and service, as docs/desk.md describes them.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};

use crate::domain::event::{AnyCase, Reason, Refusal, Surface, admit};
use crate::domain::json::Object;
use crate::domain::{Event, Time, UserRef};

/// Longest id of an event, in bytes.
const ID_MAX: usize = 128;

/// A message from a desk.
#[derive(Debug)]
pub enum Message<'a> {
    /// Names the user and the session; sent once, first.
    Hello(Hello),
    /// Reports an event.
    Event(EventMessage<'a>),
    /// Renews the lease.
    Heartbeat,
}

/// The first message of a desk.
#[derive(Debug)]
pub struct Hello {
    /// The user; that of the ticket if absent.
    pub user: Option<UserRef>,
    /// The session; if absent that of the ticket, or else a new one.
    pub session: Option<String>,
    /// Name of the device.
    pub device: Option<String>,
    /// The application in which the session is open.
    pub surface: Surface,
}

/// An event that a desk reports.
#[derive(Debug)]
pub struct EventMessage<'a> {
    /// The event's id, given by the desk.
    pub id: Cow<'a, str>,
    event: &'a RawValue,
}

#[derive(Deserialize)]
struct RawMessage<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow, default)]
    id: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    event: Option<&'a RawValue>,
    #[serde(default)]
    user: Option<UserRef>,
    #[serde(default)]
    session: Option<String>,
    #[serde(default)]
    device: Option<String>,
    #[serde(default)]
    surface: Option<AnyCase<Surface>>,
}

impl<'a> Message<'a> {
    /// Parses a message, or returns the reason why it is invalid.
    pub fn read(text: &'a str) -> Result<Self, &'static str> {
        let raw: Result<Object<RawMessage<'a>>, _> = serde_json::from_str(text);
        let Object(raw) = raw.map_err(|_| "not a JSON object with a type, or a member has the wrong type")?;
        match raw.kind.as_ref() {
            "hello" => {
                let RawMessage { user, session, device, surface, .. } = raw;
                let surface = surface.map(|AnyCase(surface)| surface).unwrap_or_default();
                Ok(Message::Hello(Hello { user, session, device, surface }))
            }
            "event" => {
                let id = raw.id.filter(|id| (1..=ID_MAX).contains(&id.len()) && !id.contains('\0'));
                let id = id.ok_or("an event needs an id of 1 to 128 bytes")?;
                Ok(Message::Event(EventMessage { id, event: raw.event.ok_or("event is missing")? }))
            }
            "heartbeat" => Ok(Message::Heartbeat),
            _ => Err("type must be hello, event or heartbeat"),
        }
    }
}

impl EventMessage<'_> {
    /// Builds the event of this user's session, or returns the reason why it is rejected. It passes through [`admit`]
    /// as posted events do, so that the same mistakes get the same reasons.
    pub fn event(&self, user: i64, session: &str, now: Time) -> Result<Event, Refusal> {
        #[derive(Deserialize)]
        struct Inner<'a> {
            #[serde(borrow, rename = "type")]
            kind: Cow<'a, str>,
            #[serde(borrow, default)]
            time: Option<Cow<'a, str>>,
            #[serde(borrow, default)]
            data: Option<&'a RawValue>,
            #[serde(borrow, default)]
            subject: Option<&'a RawValue>,
            #[serde(borrow, default)]
            source: Option<&'a RawValue>,
        }
        #[derive(Serialize)]
        struct Envelope<'a> {
            id: &'a str,
            source: String,
            #[serde(rename = "type")]
            kind: &'a str,
            subject: String,
            time: Cow<'a, str>,
            #[serde(skip_serializing_if = "Option::is_none")]
            data: Option<&'a RawValue>,
        }
        let inner: Result<Object<Inner<'_>>, _> = serde_json::from_str(self.event.get());
        let Object(inner) = inner.map_err(|_| Reason::DeskEvent)?;
        if inner.subject.is_some() || inner.source.is_some() {
            return Err(Reason::DeskAttributes.into());
        }
        if inner.kind.starts_with("desk.") {
            return Err(Reason::DeskType.into());
        }
        let envelope = Envelope {
            id: &self.id,
            source: format!("desk:{user}/{session}"),
            kind: &inner.kind,
            subject: user.to_string(),
            time: inner.time.unwrap_or_else(|| Cow::Owned(now.to_string())),
            data: inner.data,
        };
        let raw = to_raw_value(&envelope).map_err(|_| Reason::DeskEvent)?;
        admit(&raw, now)
    }
}

/// A message to a desk.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Reply<'a> {
    /// The session is connected.
    Welcome {
        /// The tenant's position at which the session is open.
        position: u64,
        /// Seconds of silence after which the session ends.
        lease_seconds: u32,
        /// Seconds between two heartbeats.
        heartbeat_seconds: u32,
        /// The user's integer id.
        user: String,
        /// The session: the one that was named, or a new one.
        session: &'a str,
    },
    /// The outcome of an event.
    Ack {
        /// The event's id, as the desk gave it.
        id: &'a str,
        /// `applied`, `stale`, `duplicate` or `rejected`.
        outcome: &'static str,
        /// The tenant's position after the event.
        position: u64,
        /// Reason of the outcome, always for `rejected`.
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
        /// The member, what was found there and what fits, with some events that were not admitted.
        #[serde(skip_serializing_if = "Option::is_none")]
        detail: Option<String>,
    },
    /// The heartbeat was received.
    Heartbeat {
        /// The tenant's position.
        position: u64,
    },
    /// A temporary failure: the desk is to send the same message again.
    Unavailable {
        /// The event's id, if the message was an event.
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<&'a str>,
        /// Seconds to wait before that.
        retry_after: u32,
    },
    /// The session is no longer this connection's.
    Ended {
        /// `closed`, `replaced`, `deleted` or `credential`.
        reason: &'static str,
    },
    /// A message is invalid.
    Error {
        /// Description of the mistake.
        reason: &'static str,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::EventBody;

    const NOW: Time = Time::from_micros(1_000_000_000_000_000);

    fn report(event: &str) -> Result<Event, &'static str> {
        let text = format!(r#"{{"type":"event","id":"e1","event":{event}}}"#);
        let Message::Event(message) = Message::read(&text).unwrap() else { panic!() };
        message.event(101, "tab", NOW).map_err(|refusal| refusal.reason.text())
    }

    #[test]
    fn events_have_the_subject_and_source_of_their_desk() {
        let event = report(r#"{"type":"slot.taken","data":{"channel":"chat","conversation":"c"}}"#).unwrap();
        assert_eq!((&*event.id.source, &*event.id.id, event.fact.time), ("desk:101/tab", "e1", NOW));
        assert!(matches!(event.fact.body, EventBody::SlotTaken { user, .. } if user == UserRef::id(101)));
        let old = r#"{"type":"status.changed","time":"1999-02-01T07:02:55Z","data":{"presence":"Away"}}"#;
        assert_eq!(report(old).unwrap().fact.time.to_string(), "1999-02-01T07:02:55Z");
        for (wrong, why) in [
            (r#"{"type":"slot.taken","subject":"102","data":{}}"#, "own"),
            (r#"{"type":"slot.taken","source":"x","data":{}}"#, "own"),
            (r#"{"type":"desk.disconnected","data":{"session":"other"}}"#, "connection"),
            (r#"{"type":"user.deleted"}"#, "unknown type"),
            (r#"{"type":"slot.taken","data":{"channel":"fax","conversation":"c"}}"#, "does not fit"),
            (r#"{"type":"status.changed","time":7}"#, "not an event"),
            ("[1]", "not an event"),
        ] {
            assert!(report(wrong).unwrap_err().contains(why), "{wrong}");
        }
    }

    #[test]
    fn invalid_messages_are_rejected() {
        for wrong in ["", "[]", "{}", r#"{"type":1}"#, r#"{"type":"hello","user":"-1"}"#, r#"{"type":"bye"}"#] {
            assert!(Message::read(wrong).is_err(), "{wrong}");
        }
        for wrong in
            [r#"{"type":"event","id":"","event":{}}"#, r#"{"type":"event","event":{}}"#, r#"{"type":"event","id":"1"}"#]
        {
            assert!(Message::read(wrong).is_err(), "{wrong}");
        }
        assert!(matches!(Message::read(r#"{"type":"heartbeat","more":1}"#), Ok(Message::Heartbeat)));
    }
}

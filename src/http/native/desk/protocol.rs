//! The messages of a desk, as docs/desk.md has them.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};

use crate::domain::event::{Surface, admit};
use crate::domain::object::Object;
use crate::domain::{Event, Time, UserRef};

/// Longest id of an event, in bytes.
const ID_MAX: usize = 128;

/// What a desk says.
#[derive(Debug)]
pub enum Message<'a> {
    /// Who it is. Once, and first.
    Hello(Hello),
    /// Something happened at it.
    Event(EventMessage<'a>),
    /// It is still there.
    Heartbeat,
}

/// Who a desk is.
#[derive(Debug)]
pub struct Hello {
    /// The user; whoever the ticket is for when absent.
    pub user: Option<UserRef>,
    /// The session; the ticket's, or one that is made, when absent.
    pub session: Option<String>,
    /// A name for the device.
    pub device: Option<String>,
    /// Where.
    pub surface: Surface,
}

/// Something that happened at a desk.
#[derive(Debug)]
pub struct EventMessage<'a> {
    /// The desk's own id of it.
    pub id: Cow<'a, str>,
    event: &'a RawValue,
}

#[derive(Deserialize)]
struct Any<'a> {
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
    surface: Surface,
}

impl<'a> Message<'a> {
    /// Reads a message, or says what is wrong with it.
    pub fn read(text: &'a str) -> Result<Self, &'static str> {
        let any: Result<Object<Any<'a>>, _> = serde_json::from_str(text);
        let Object(any) = any.map_err(|_| "not a message, or a member of another type than it should be")?;
        match any.kind.as_ref() {
            "hello" => {
                let Any { user, session, device, surface, .. } = any;
                Ok(Message::Hello(Hello { user, session, device, surface }))
            }
            "event" => {
                let id = any.id.filter(|id| (1..=ID_MAX).contains(&id.len()) && !id.contains('\0'));
                let id = id.ok_or("an event needs an id of 1 to 128 bytes")?;
                Ok(Message::Event(EventMessage { id, event: any.event.ok_or("event is missing")? }))
            }
            "heartbeat" => Ok(Message::Heartbeat),
            _ => Err("type must be hello, event or heartbeat"),
        }
    }
}

impl EventMessage<'_> {
    /// The event of this user's session, or why it cannot be one. Read as any other event is, so that the same is said
    /// of the same mistakes.
    pub fn event(&self, user: i64, session: &str, now: Time) -> Result<Event, &'static str> {
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
        let Object(inner) = inner.map_err(|_| "not an event: its type, and its time if it has one, are strings")?;
        if inner.subject.is_some() || inner.source.is_some() {
            return Err("subject and source are the desk's own");
        }
        if inner.kind.starts_with("desk.") {
            return Err("a connected desk is heard of by its connection");
        }
        let envelope = Envelope {
            id: &self.id,
            source: format!("desk:{user}/{session}"),
            kind: &inner.kind,
            subject: user.to_string(),
            time: inner.time.unwrap_or_else(|| Cow::Owned(now.to_string())),
            data: inner.data,
        };
        let raw = to_raw_value(&envelope).map_err(|_| "not an event")?;
        admit(&raw, now).map_err(|refusal| refusal.reason)
    }
}

/// What a desk is told.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Reply<'a> {
    /// It is connected.
    Welcome {
        /// The tenant's position at which it is.
        position: u64,
        /// Silent for so long, it is gone.
        lease_seconds: u32,
        /// It is to be heard of so often.
        heartbeat_seconds: u32,
        /// Whose desk it is, by integer id.
        user: String,
        /// The session.
        session: &'a str,
    },
    /// What became of an event.
    Ack {
        /// The desk's own id of it.
        id: &'a str,
        /// What became of it.
        outcome: &'static str,
        /// The tenant's position after it.
        position: u64,
        /// Why it was rejected.
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// It was heard of.
    Heartbeat {
        /// The tenant's position.
        position: u64,
    },
    /// Not now: send the same again.
    Unavailable {
        /// The desk's own id of the event, if it was one.
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<&'a str>,
        /// After so many seconds.
        retry_after: u32,
    },
    /// The session is no longer this connection's.
    Ended {
        /// Why.
        reason: &'static str,
    },
    /// A message could not be understood.
    Error {
        /// Why.
        reason: &'static str,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Body;

    const NOW: Time = Time::from_micros(1_000_000_000_000_000);

    fn told(event: &str) -> Result<Event, &'static str> {
        let text = format!(r#"{{"type":"event","id":"e1","event":{event}}}"#);
        let Message::Event(told) = Message::read(&text).unwrap() else { panic!() };
        told.event(101, "tab", NOW)
    }

    #[test]
    fn an_event_is_the_desks_own() {
        let event = told(r#"{"type":"slot.taken","data":{"channel":"chat","conversation":"c"}}"#).unwrap();
        assert_eq!((&*event.id.source, &*event.id.id, event.fact.time), ("desk:101/tab", "e1", NOW));
        assert!(matches!(event.fact.body, Body::SlotTaken { user, .. } if user == UserRef::id(101)));
        let old = r#"{"type":"status.changed","time":"1999-02-01T07:02:55Z","data":{"presence":"Away"}}"#;
        assert_eq!(told(old).unwrap().fact.time.to_string(), "1999-02-01T07:02:55Z");
        for (wrong, why) in [
            (r#"{"type":"slot.taken","subject":"102","data":{}}"#, "own"),
            (r#"{"type":"slot.taken","source":"x","data":{}}"#, "own"),
            (r#"{"type":"desk.disconnected","data":{"session":"other"}}"#, "connection"),
            (r#"{"type":"user.deleted"}"#, "unknown type"),
            (r#"{"type":"slot.taken","data":{"channel":"fax","conversation":"c"}}"#, "does not fit"),
            (r#"{"type":"status.changed","time":7}"#, "not an event"),
            ("[1]", "not an event"),
        ] {
            assert!(told(wrong).unwrap_err().contains(why), "{wrong}");
        }
    }

    #[test]
    fn what_is_no_message_is_told_so() {
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

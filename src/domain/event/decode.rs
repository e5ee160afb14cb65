//! Decodes a CloudEvents envelope into an [`Event`] and checks shape, limits, type and time. Needs no state.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;
use uuid::Uuid;

use super::any_case::{AnyCase, Switches};
use super::body::{EventBody, Surface};
use super::envelope::{Envelope, data, each_member_once, holds_nul, misshapen, session, user};
use super::members::names;
use super::names::misspelt;
use super::reason::Reason;
use super::refusal::{Refusal, refuse};
use super::{Event, EventId, Fact, INTERNAL_SOURCE, decode_conversation};
use crate::domain::channel::Channel;
use crate::domain::conversation::ConversationId;
use crate::domain::json::Object;
use crate::domain::presence::Category;
use crate::domain::settings::desk::LEASE_SECONDS;
use crate::domain::settings::limits::SYNC_CONVERSATIONS;
use crate::domain::text;
use crate::domain::time::{Time, TimeError};

/// Maximum length of an event id, in bytes.
const ID_MAX: usize = 128;
/// Maximum number of seconds that an event's time may lie ahead of service time. A time within this limit is replaced
/// by service time: left as it is, it would override every later change until service time reached it.
const AHEAD_SECONDS: i64 = 300;

/// Parses and checks one event. `now` is service time; an event's time ahead of it is replaced by `now`, and journalled
/// as such.
pub fn admit(raw: &RawValue, now: Time) -> Result<Event, Refusal> {
    let envelope: Result<Object<Envelope<'_>>, _> = serde_json::from_str(raw.get());
    let Object(envelope) = envelope.map_err(|_| refuse(raw, misshapen(raw), now))?;
    read(envelope, raw, now).map_err(|reason| refuse(raw, reason, now))
}

fn read(envelope: Envelope<'_>, raw: &RawValue, now: Time) -> Result<Event, Reason> {
    if envelope.specversion.as_ref().is_some_and(|v| v != "1.0") {
        return Err(Reason::Specversion);
    }
    if envelope.id.is_empty() || envelope.id.len() > ID_MAX {
        return Err(Reason::Id);
    }
    if !text::is_name(&envelope.source) {
        return Err(Reason::Source);
    }
    // Events of an internal source are authoritative and never stale, so callers must not claim one.
    if envelope.source.starts_with(INTERNAL_SOURCE) {
        return Err(Reason::ReservedSource);
    }
    if holds_nul(raw) {
        return Err(Reason::Nul);
    }
    each_member_once(raw)?;
    let time = Time::parse(&envelope.time).map_err(|error| match error {
        TimeError::Malformed => Reason::Time,
        TimeError::OutOfRange => Reason::TimeRange,
    })?;
    if time > now.plus_seconds(AHEAD_SECONDS) {
        return Err(Reason::TimeAhead);
    }
    let decoded = envelope.decoded()?;
    let envelope = envelope.with_data(decoded.as_deref());
    let body = read_body(&envelope)?;
    reject_misspelt(&envelope, raw)?;
    let id = EventId { source: envelope.source.as_ref().into(), id: envelope.id.as_ref().into() };
    // Clamped before journalling, since a replay applies the journalled time and has no service time to clamp to.
    Ok(Event { id, fact: Fact::new(time.min(now), body) })
}

/// Rejects a name that is nearly that of an optional member: the producer means the member, and would be answered as if
/// it had been taken. Other unknown names are ignored.
fn reject_misspelt(envelope: &Envelope<'_>, raw: &RawValue) -> Result<(), Reason> {
    // Of the optional attributes only the subject changes what an event means.
    if envelope.subject.is_none() && misspelt(raw, ["subject"].into_iter()).is_some() {
        return Err(Reason::Misspelt);
    }
    let Some(data) = envelope.data else { return Ok(()) };
    if misspelt(data, names(&envelope.kind)).is_some() { Err(Reason::Misspelt) } else { Ok(()) }
}

fn read_body(envelope: &Envelope<'_>) -> Result<EventBody, Reason> {
    Ok(match envelope.kind.as_ref() {
        "desk.connected" => desk_connected(envelope)?,
        "desk.heartbeat" => {
            // Producers do not see journal positions: `opened` is set by the server's own connections only.
            let session = session(&data::<OfSession<'_>>(envelope)?.session)?;
            EventBody::DeskHeartbeat { user: user(envelope)?, session, opened: None }
        }
        "desk.disconnected" => {
            let session = session(&data::<OfSession<'_>>(envelope)?.session)?;
            EventBody::DeskDisconnected { user: user(envelope)?, session, opened: None }
        }
        "status.changed" => status_changed(envelope)?,
        "slot.taken" => {
            let slot: Slot<'_> = data(envelope)?;
            // Optional in `Slot`, which `slot.released` shares.
            let AnyCase(channel) = slot.channel.ok_or(Reason::ChannelMissing)?;
            EventBody::SlotTaken { user: user(envelope)?, channel, conversation: conversation(&slot.conversation)? }
        }
        "slot.released" => {
            let slot: Slot<'_> = data(envelope)?;
            let user = envelope.subject.is_some().then(|| user(envelope)).transpose()?;
            EventBody::SlotReleased { user, conversation: conversation(&slot.conversation)? }
        }
        "slots.synced" => slots_synced(envelope)?,
        kind if kind.starts_with("conversation.") => decode_conversation::read(envelope)?,
        _ => return Err(Reason::UnknownType),
    })
}

fn desk_connected(envelope: &Envelope<'_>) -> Result<EventBody, Reason> {
    #[derive(Deserialize)]
    struct Connected<'a> {
        #[serde(borrow)]
        session: Cow<'a, str>,
        #[serde(default)]
        lease_seconds: Option<u32>,
        #[serde(borrow, default)]
        device: Option<Cow<'a, str>>,
        #[serde(default)]
        surface: Option<AnyCase<Surface>>,
    }
    let connected: Connected<'_> = data(envelope)?;
    if connected.lease_seconds.is_some_and(|lease| !LEASE_SECONDS.contains(&lease)) {
        return Err(Reason::LeaseSeconds);
    }
    Ok(EventBody::DeskConnected {
        user: user(envelope)?,
        session: session(&connected.session)?,
        lease_seconds: connected.lease_seconds,
        device: connected.device.as_deref().map(device).transpose()?,
        surface: connected.surface.map(|AnyCase(surface)| surface).unwrap_or_default(),
        // A producer's session must count towards the quota of sessions, not of sockets.
        socket: false,
    })
}

/// Validates a device name given by a desk.
pub fn device(name: &str) -> Result<Box<str>, Reason> {
    if text::is_name(name) { Ok(name.into()) } else { Err(Reason::Device) }
}

fn status_changed(envelope: &Envelope<'_>) -> Result<EventBody, Reason> {
    #[derive(Deserialize)]
    struct Changed {
        #[serde(default)]
        presence: Option<AnyCase<Category>>,
        #[serde(default)]
        presence_id: Option<Uuid>,
        #[serde(default)]
        channels: Option<Switches>,
    }
    let Changed { presence, presence_id, channels } = data(envelope)?;
    let channels = channels.map(|Switches(channels)| channels).unwrap_or_default();
    if presence.is_none() && presence_id.is_none() && channels.is_empty() {
        return Err(Reason::StatusEmpty);
    }
    let presence = presence.map(|AnyCase(presence)| presence);
    Ok(EventBody::StatusChanged { user: user(envelope)?, presence, presence_id, channels })
}

fn slots_synced(envelope: &Envelope<'_>) -> Result<EventBody, Reason> {
    #[derive(Deserialize)]
    struct Synced<'a> {
        channel: AnyCase<Channel>,
        #[serde(borrow)]
        conversations: Vec<Cow<'a, str>>,
    }
    let synced: Synced<'_> = data(envelope)?;
    if synced.conversations.len() > SYNC_CONVERSATIONS {
        return Err(Reason::Conversations);
    }
    let conversations = synced.conversations.iter().map(|id| conversation(id)).collect::<Result<_, _>>()?;
    Ok(EventBody::SlotsSynced { user: user(envelope)?, channel: synced.channel.0, conversations })
}

#[derive(Deserialize)]
struct OfSession<'a> {
    #[serde(borrow)]
    session: Cow<'a, str>,
}

#[derive(Deserialize)]
struct Slot<'a> {
    #[serde(default)]
    channel: Option<AnyCase<Channel>>,
    #[serde(borrow)]
    conversation: Cow<'a, str>,
}

fn conversation(id: &str) -> Result<ConversationId, Reason> {
    ConversationId::new(id).ok_or(Reason::Conversation)
}

#[cfg(test)]
mod tests {
    use base64::prelude::{BASE64_STANDARD, Engine};

    use super::*;
    use crate::domain::ids::UserRef;

    const NOW: Time = Time::from_micros(1_000_000_000_000_000);

    fn read(json: &str) -> Result<Event, Refusal> {
        let raw: Box<RawValue> = serde_json::from_str(json).unwrap();
        admit(&raw, NOW)
    }

    fn reason(json: &str) -> &'static str {
        read(json).unwrap_err().reason.text()
    }

    const TAKEN: &str = r#"{"specversion":"1.0","id":"1","source":"/acd","type":"slot.taken","subject":"101",
        "time":"1999-02-01T07:02:55Z","data":{"channel":"call","conversation":"c","extra":1},"extension":{"a":[]}}"#;

    #[test]
    fn unknown_members_are_ignored() {
        let event = read(TAKEN).unwrap();
        assert_eq!(event.fact.time.to_string(), "1999-02-01T07:02:55Z");
        let EventBody::SlotTaken { user, channel, conversation } = event.fact.body else { panic!() };
        assert_eq!((user, channel, conversation.as_str()), (UserRef::id(101), Channel::Call, "c"));
    }

    #[test]
    fn malformed_events_are_rejected_with_a_reason() {
        assert_eq!(reason(&TAKEN.replace("1.0", "0.3")), "specversion must be 1.0");
        assert_eq!(reason(&TAKEN.replace("/acd", "rollcall:x")), "source must not begin with rollcall:");
        assert_eq!(reason(&TAKEN.replace("slot.taken", "user.deleted")), "unknown type");
        assert_eq!(reason(&TAKEN.replace("slot.taken", "user.password_set")), "unknown type");
        assert_eq!(reason(&TAKEN.replace("slot.taken", "conversation.reopened")), "unknown type");
        assert_eq!(reason(&TAKEN.replace("\"101\"", "\"-1\"")), "subject must be an id, a GUID or external:<id>");
        assert_eq!(reason(&TAKEN.replace("1999", "2999")), "time is more than 5 minutes ahead");
        assert_eq!(reason(&TAKEN.replace("\"call\"", "\"fax\"")), "data does not fit the type");
        assert_eq!(reason(&TAKEN.replace("\"a\":[]", "\"a\":\"\\u0000\"")), "U+0000 is not allowed");
        for (member, again) in [
            (r#""channel":"call""#, r#""channel":"call","channel":"call""#),
            (r#""extra":1"#, r#""extra":1,"extra":1"#),
            (r#""extra":1"#, r#""extra":[{"a":1,"b":2,"\u0061":1}]"#),
            (r#""extension":{"a":[]}"#, r#""extension":1,"extension":2"#),
            (r#""extension":{"a":[]}"#, r#""extension":{"a":1,"a":2}"#),
        ] {
            assert_eq!(reason(&TAKEN.replace(member, again)), "a member is given twice", "{again}");
        }
        let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
        for value in [deep.as_str(), "1e999", r#""\ud800""#] {
            assert!(reason(&TAKEN.replace("[]", value)).starts_with("a value is nested too deeply"), "{value}");
        }
        assert!(read(&TAKEN.replace("\"extra\":1", r#""extra":[{"a":1.5},{"a":-1},{"a":null},true]"#)).is_ok());
        assert!(reason("[1]").starts_with("not an event"));
        assert!(reason(r#"{"id":"1","id":"2","source":"s","type":"t","time":"t"}"#).starts_with("not an event"));
    }

    #[test]
    fn times_ahead_are_clamped_to_service_time() {
        let time_of = |time: Time| read(&TAKEN.replace("1999-02-01T07:02:55Z", &time.to_string()));
        for ahead in [1, 240, 300] {
            assert_eq!(time_of(NOW.plus_seconds(ahead)).unwrap().fact.time, NOW, "{ahead} s ahead");
        }
        assert_eq!(time_of(NOW).unwrap().fact.time, NOW);
        assert_eq!(time_of(NOW.plus_seconds(-1)).unwrap().fact.time, NOW.plus_seconds(-1));
        let beyond = Time::from_micros(NOW.plus_seconds(300).micros() + 1);
        assert_eq!(time_of(beyond).unwrap_err().reason.text(), "time is more than 5 minutes ahead");
    }

    #[test]
    fn times_outside_1970_to_2999_are_rejected() {
        let reason_of = |time: &str| reason(&TAKEN.replace("1999-02-01T07:02:55Z", time));
        for time in ["1969-12-31T23:59:59.999999Z", "3000-01-01T00:00:00Z", "1970-01-01T00:00:00+00:01"] {
            assert_eq!(reason_of(time), "time is outside the years 1970 to 2999", "{time}");
        }
        assert_eq!(reason_of("2999-12-31T23:59:59Z"), "time is more than 5 minutes ahead");
        assert!(read(&TAKEN.replace("1999-02-01T07:02:55Z", "1970-01-01T00:00:00Z")).is_ok());
    }

    #[test]
    fn an_escaped_backslash_is_not_a_nul() {
        assert!(read(&TAKEN.replace("\"a\":[]", "\"a\":\"\\\\u0000\"")).is_ok());
    }

    #[test]
    fn data_in_base64_is_read_as_data() {
        let encoded = |data: &str, rest: &str| {
            let member = format!(r#""data_base64":"{}"{rest}"#, BASE64_STANDARD.encode(data));
            TAKEN.replace(r#""data":{"channel":"call","conversation":"c","extra":1}"#, &member)
        };
        let data = r#" {"channel":"call","conversation":"c"} "#;
        assert_eq!(read(&encoded(data, "")).unwrap().fact, read(TAKEN).unwrap().fact);
        for kind in [r#""application/json""#, r#""text/JSON; charset=utf-8""#, r#""application/vnd.acme+json""#, "null"]
        {
            assert!(read(&encoded(data, &format!(r#","data":null,"datacontenttype":{kind}"#))).is_ok(), "{kind}");
        }
        for kind in [r#""application/xml""#, r#""json""#, "7"] {
            assert_eq!(reason(&encoded(data, &format!(r#","datacontenttype":{kind}"#))), BASE64, "{kind}");
        }
        assert_eq!(reason(&encoded(data, r#","data":{}"#)), "data and data_base64 exclude each other");
        assert_eq!(reason(&encoded(r#"{"channel":"call","channel":"chat"}"#, "")), "a member is given twice");
        assert_eq!(reason(&encoded(r#"{"conversation":"\u0000"}"#, "")), "U+0000 is not allowed");
        assert_eq!(reason(&encoded("{", "")), BASE64);
        assert_eq!(reason(&encoded("null", "")), "data does not fit the type");
        assert_eq!(reason(&encoded(data, "").replace("base64\":\"", "base64\":\"!")), BASE64);
    }

    const BASE64: &str = "data_base64 must be JSON in Base64";

    #[test]
    fn facts_survive_json() {
        let event = read(TAKEN).unwrap();
        let json = serde_json::to_string(&event.fact).unwrap();
        assert_eq!(serde_json::from_str::<Fact>(&json).unwrap(), event.fact);
    }
}

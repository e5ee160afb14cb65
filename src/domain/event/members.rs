//! The types of events with the members of their data, for messages: what a member is called, and what fits it.

use serde_json::Value;
use uuid::Uuid;

use super::any_case::{Named, Switches};
use super::body::Surface;
use crate::domain::channel::Channel;
use crate::domain::conversation::Medium;
use crate::domain::ids::EntityRef;
use crate::domain::presence::Category;
use crate::domain::time::Time;

/// A member of the data of a type.
pub struct Member {
    /// The name.
    pub name: &'static str,
    /// The kind of its values.
    pub kind: Kind,
    /// True if the type needs it.
    pub is_required: bool,
}

/// A kind of values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A string.
    Text,
    /// Several strings.
    Texts,
    /// A number of seconds.
    Seconds,
    /// A reference to an entity.
    Entity,
    /// A GUID.
    Guid,
    /// An instant.
    Time,
    /// A presence.
    Presence,
    /// A channel of slots.
    Channel,
    /// A channel of conversations.
    Medium,
    /// The kind of a desk's application.
    Surface,
    /// A boolean for some of the channels.
    Switches,
}

impl Kind {
    /// Returns true if a value is of this kind.
    pub fn fits(self, value: &Value) -> bool {
        let text = value.as_str();
        match self {
            Kind::Text => text.is_some(),
            Kind::Texts => value.as_array().is_some_and(|all| all.iter().all(Value::is_string)),
            Kind::Seconds => value.as_u64().is_some_and(|seconds| u32::try_from(seconds).is_ok()),
            Kind::Entity => serde_json::from_value::<EntityRef>(value.clone()).is_ok(),
            Kind::Guid => text.is_some_and(|text| Uuid::try_parse(text).is_ok()),
            Kind::Time => text.is_some_and(|text| Time::parse(text).is_ok()),
            Kind::Presence => text.and_then(<Category as Named>::parse).is_some(),
            Kind::Channel => text.and_then(<Channel as Named>::parse).is_some(),
            Kind::Medium => text.and_then(<Medium as Named>::parse).is_some(),
            Kind::Surface => text.and_then(<Surface as Named>::parse).is_some(),
            Kind::Switches => serde_json::from_value::<Switches>(value.clone()).is_ok(),
        }
    }

    /// The values of an enum by name; none for other kinds.
    pub fn names(self) -> Vec<&'static str> {
        match self {
            Kind::Presence => values::<Category>(),
            Kind::Channel | Kind::Switches => values::<Channel>(),
            Kind::Medium => values::<Medium>(),
            Kind::Surface => values::<Surface>(),
            _ => Vec::new(),
        }
    }

    /// Names what fits.
    pub const fn what_fits(self) -> &'static str {
        match self {
            Kind::Text => "a string",
            Kind::Texts => "a list of strings",
            Kind::Seconds => "a whole number",
            Kind::Entity => "an integer id or a GUID",
            Kind::Guid => "a GUID",
            Kind::Time => "a time in RFC 3339",
            Kind::Presence => "Ready, Away or ExtendedAway",
            Kind::Channel => "chat, call, video or third_party",
            Kind::Medium => "a channel such as CHAT, CALL, VIDEO or WHATSAPP",
            Kind::Surface => "desk or administration",
            Kind::Switches => "an object with a boolean for each channel",
        }
    }
}

fn values<T: Named>() -> Vec<&'static str> {
    T::VALUES.iter().map(|value| value.name()).collect()
}

const fn needs(name: &'static str, kind: Kind) -> Member {
    Member { name, kind, is_required: true }
}

const fn takes(name: &'static str, kind: Kind) -> Member {
    Member { name, kind, is_required: false }
}

/// Every type that producers may send, with its members.
const TYPES: &[(&str, &[Member])] = &[
    (
        "desk.connected",
        &[
            needs("session", Kind::Text),
            takes("lease_seconds", Kind::Seconds),
            takes("device", Kind::Text),
            takes("surface", Kind::Surface),
        ],
    ),
    ("desk.heartbeat", &[needs("session", Kind::Text)]),
    ("desk.disconnected", &[needs("session", Kind::Text)]),
    (
        "status.changed",
        &[takes("presence", Kind::Presence), takes("presence_id", Kind::Guid), takes("channels", Kind::Switches)],
    ),
    ("slot.taken", &[needs("channel", Kind::Channel), needs("conversation", Kind::Text)]),
    ("slot.released", &[needs("conversation", Kind::Text), takes("channel", Kind::Channel)]),
    ("slots.synced", &[needs("channel", Kind::Channel), needs("conversations", Kind::Texts)]),
    (
        "conversation.started",
        &[needs("conversation", Kind::Text), needs("project", Kind::Entity), needs("channel", Kind::Medium)],
    ),
    (
        "conversation.routed",
        &[needs("conversation", Kind::Text), takes("routing_rule", Kind::Entity), takes("routing_group", Kind::Entity)],
    ),
    (
        "conversation.pushed",
        &[needs("conversation", Kind::Text), needs("channel", Kind::Medium), takes("project", Kind::Entity)],
    ),
    (
        "conversation.message",
        &[needs("conversation", Kind::Text), needs("author", Kind::Text), takes("text", Kind::Text)],
    ),
    (
        "conversation.transferred",
        &[needs("conversation", Kind::Text), takes("to_group", Kind::Entity), takes("to_rule", Kind::Entity)],
    ),
    ("conversation.snoozed", &[needs("conversation", Kind::Text), takes("until", Kind::Time)]),
    ("conversation.removed", &[needs("conversation", Kind::Text)]),
    ("conversation.closed", &[needs("conversation", Kind::Text), takes("reason", Kind::Text)]),
];

/// Returns the members of a type's data; none for an unknown type.
pub fn members(kind: &str) -> &'static [Member] {
    TYPES.iter().find(|(name, _)| *name == kind).map_or(&[], |(_, members)| members)
}

/// Returns the names of the members of a type's data; none for an unknown type.
pub fn names(kind: &str) -> impl Iterator<Item = &'static str> + Clone {
    members(kind).iter().map(|member| member.name)
}

/// Returns the name of every type that producers may send.
pub fn types() -> impl Iterator<Item = &'static str> {
    TYPES.iter().map(|(name, _)| *name)
}

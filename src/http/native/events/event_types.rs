//! The meaning of each type of events and of its members, with an example of its data, for the OpenAPI description
//! (docs/reference/events.md, "Types").

use serde_json::{Value, json};

/// The use of an event's `subject`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// The user, who must be named.
    User,
    /// The user, or nothing.
    UserOrNone,
    /// It is ignored.
    None,
}

/// A type of events, described.
pub struct Described {
    /// What happened, and the effect.
    pub meaning: &'static str,
    /// The use of its subject.
    pub subject: Subject,
    /// An example of its data.
    pub data: Value,
}

/// The conversation of the examples.
const CONVERSATION: &str = "c0ffee00-0000-4000-8000-000000000001";

/// Describes a type; `None` for an unknown one.
pub fn describe_type(kind: &str) -> Option<Described> {
    let (subject, meaning, data) = match kind {
        "desk.connected" => (
            Subject::User,
            "A desk's session opens, or is confirmed to be open.",
            json!({ "session": "desk-101", "lease_seconds": 45, "device": "workstation 7" }),
        ),
        "desk.heartbeat" => (
            Subject::User,
            "The session is still open: its lease is renewed. Not journalled, and never a duplicate.",
            json!({ "session": "desk-101" }),
        ),
        "desk.disconnected" => (
            Subject::User,
            "The session closes, and no other of the user. Conversations stay held.",
            json!({ "session": "desk-101" }),
        ),
        "status.changed" => (
            Subject::User,
            "The person chose a presence, or switched channels on or off. At least one member is needed.",
            json!({ "presence": "Ready", "channels": { "chat": true, "call": false } }),
        ),
        "slot.taken" => (
            Subject::User,
            "The user holds the conversation on the channel; the previous holder lets go.",
            json!({ "channel": "chat", "conversation": "chat-4711" }),
        ),
        "slot.released" => (
            Subject::UserOrNone,
            "The claim on the conversation ends: that of the subject, or without one that of the holder.",
            json!({ "conversation": "chat-4711" }),
        ),
        "slots.synced" => (
            Subject::User,
            "All conversations that the user holds on the channel: the repair for lost events.",
            json!({ "channel": "chat", "conversations": ["chat-4711", "chat-4712"] }),
        ),
        other => return describe_conversation(other),
    };
    Some(Described { meaning, subject, data })
}

/// Describes a type of events that belong to the history of a conversation.
fn describe_conversation(kind: &str) -> Option<Described> {
    let (subject, meaning, data) = match kind {
        "conversation.started" => (
            Subject::None,
            "The conversation exists.",
            json!({ "conversation": CONVERSATION, "project": "7", "channel": "CHAT" }),
        ),
        "conversation.routed" => (
            Subject::None,
            "The conversation was given to a routing rule or group, which is to find a user for it.",
            json!({ "conversation": CONVERSATION, "routing_group": "1" }),
        ),
        "conversation.pushed" => (
            Subject::User,
            "A contact with the user begins, and takes the slot.",
            json!({ "conversation": CONVERSATION, "channel": "CHAT", "project": "7" }),
        ),
        "conversation.message" => (
            Subject::UserOrNone,
            "A message. The subject is the user who wrote it; without one it is a visitor's or a bot's.",
            json!({ "conversation": CONVERSATION, "author": "visitor", "text": "Is the blue one in stock?" }),
        ),
        "conversation.transferred" => (
            Subject::None,
            "The contact ends, because the conversation is given to another group or rule; the slot is released.",
            json!({ "conversation": CONVERSATION, "to_group": "2" }),
        ),
        "conversation.snoozed" => (
            Subject::None,
            "The contact ends until later; the slot is released.",
            json!({ "conversation": CONVERSATION, "until": "2021-03-02T09:00:00Z" }),
        ),
        "conversation.removed" => (
            Subject::None,
            "The contact ends for an unknown reason; the slot is released.",
            json!({ "conversation": CONVERSATION }),
        ),
        "conversation.closed" => (
            Subject::None,
            "Contact and conversation end; the slot is released.",
            json!({ "conversation": CONVERSATION, "reason": "solved" }),
        ),
        _ => return None,
    };
    Some(Described { meaning, subject, data })
}

/// Returns the meaning of a member of a type's data; an empty text for an unknown one.
pub fn member_meaning(kind: &str, member: &str) -> &'static str {
    match (kind, member) {
        ("slot.released", "channel") => "Ignored: the conversation determines the channel",
        (_, "session") => "Id of the session, unique within the user: 1 to 128 bytes",
        (_, "lease_seconds") => "Seconds without a heartbeat after which the session ends; without limit if absent",
        (_, "device") => "Name of the device: 1 to 256 bytes",
        (_, "surface") => "The application in which the session is open; desk if absent. Only desks connect a user",
        (_, "presence") => "The presence that was chosen",
        (_, "presence_id") => "GUID of the presence definition that was chosen, of the same category as `presence`",
        (_, "channels") => "The channels that were switched on (true) or off (false)",
        (_, "channel") if kind.starts_with("conversation.") => "The medium, which determines the channel of the slot",
        (_, "channel") => "The channel of the slot",
        (_, "conversation") if kind.starts_with("conversation.") => "The conversation's id: a GUID",
        (_, "conversation") => "The conversation's id: 1 to 128 bytes",
        (_, "conversations") => "The ids of the conversations, each of 1 to 128 bytes",
        (_, "project") => "The project: an integer id or a GUID",
        (_, "routing_rule") => "The routing rule: an integer id or a GUID",
        (_, "routing_group") => "The routing group: an integer id or a GUID",
        (_, "to_group") => "The routing group that takes over: an integer id or a GUID",
        (_, "to_rule") => "The routing rule that takes over: an integer id or a GUID",
        (_, "author") => "The author as the source calls it: 1 to 256 bytes",
        (_, "text") => "The text, up to 8,192 bytes; dropped unless the tenant keeps texts",
        (_, "until") => "The time at which the conversation is to resume",
        (_, "reason") => "The reason as the source gives it: 1 to 256 bytes",
        _ => "",
    }
}

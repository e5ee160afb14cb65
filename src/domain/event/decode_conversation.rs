//! Parsing of `conversation.*` events (docs/reference/events.md, "Conversations").

use std::borrow::Cow;

use serde::Deserialize;
use uuid::Uuid;

use super::any_case::AnyCase;
use super::body::EventBody;
use super::envelope::{Envelope, data, user};
use super::reason::Reason;
use crate::domain::conversation::Medium;
use crate::domain::ids::{EntityRef, parse_guid};
use crate::domain::text;
use crate::domain::time::Time;

/// Maximum length of a message's text, in bytes.
const TEXT_MAX: usize = 8 * 1024;

#[derive(Deserialize)]
struct Started<'a> {
    #[serde(borrow)]
    conversation: Cow<'a, str>,
    project: EntityRef,
    channel: AnyCase<Medium>,
}

#[derive(Deserialize)]
struct Routed<'a> {
    #[serde(borrow)]
    conversation: Cow<'a, str>,
    #[serde(default)]
    routing_rule: Option<EntityRef>,
    #[serde(default)]
    routing_group: Option<EntityRef>,
}

#[derive(Deserialize)]
struct Pushed<'a> {
    #[serde(borrow)]
    conversation: Cow<'a, str>,
    channel: AnyCase<Medium>,
    #[serde(default)]
    project: Option<EntityRef>,
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    conversation: Cow<'a, str>,
    #[serde(borrow)]
    author: Cow<'a, str>,
    #[serde(borrow, default)]
    text: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct Transferred<'a> {
    #[serde(borrow)]
    conversation: Cow<'a, str>,
    #[serde(default)]
    to_group: Option<EntityRef>,
    #[serde(default)]
    to_rule: Option<EntityRef>,
}

#[derive(Deserialize)]
struct Snoozed<'a> {
    #[serde(borrow)]
    conversation: Cow<'a, str>,
    #[serde(default)]
    until: Option<Time>,
}

#[derive(Deserialize)]
struct Removed<'a> {
    #[serde(borrow)]
    conversation: Cow<'a, str>,
}

#[derive(Deserialize)]
struct Closed<'a> {
    #[serde(borrow)]
    conversation: Cow<'a, str>,
    #[serde(borrow, default)]
    reason: Option<Cow<'a, str>>,
}

pub(super) fn read(envelope: &Envelope<'_>) -> Result<EventBody, Reason> {
    Ok(match envelope.kind.as_ref() {
        "conversation.started" => {
            let Started { conversation, project, channel: AnyCase(channel) } = data(envelope)?;
            EventBody::ConversationStarted { conversation: id(&conversation)?, project, channel }
        }
        "conversation.routed" => {
            let Routed { conversation, routing_rule, routing_group } = data(envelope)?;
            EventBody::ConversationRouted { conversation: id(&conversation)?, routing_rule, routing_group }
        }
        "conversation.pushed" => {
            let Pushed { conversation, channel: AnyCase(channel), project } = data(envelope)?;
            EventBody::ConversationPushed { user: user(envelope)?, conversation: id(&conversation)?, channel, project }
        }
        "conversation.message" => message(envelope)?,
        "conversation.transferred" => {
            let Transferred { conversation, to_group, to_rule } = data(envelope)?;
            EventBody::ConversationTransferred { conversation: id(&conversation)?, to_group, to_rule }
        }
        "conversation.snoozed" => {
            let Snoozed { conversation, until } = data(envelope)?;
            EventBody::ConversationSnoozed { conversation: id(&conversation)?, until }
        }
        "conversation.removed" => {
            let Removed { conversation } = data(envelope)?;
            EventBody::ConversationRemoved { conversation: id(&conversation)? }
        }
        "conversation.closed" => {
            let Closed { conversation, reason } = data(envelope)?;
            if reason.as_ref().is_some_and(|reason| !text::is_name(reason)) {
                return Err(Reason::ClosingReason);
            }
            let reason = reason.as_deref().map(Box::from);
            EventBody::ConversationClosed { conversation: id(&conversation)?, reason }
        }
        _ => return Err(Reason::UnknownType),
    })
}

fn message(envelope: &Envelope<'_>) -> Result<EventBody, Reason> {
    let Message { conversation, author, text } = data(envelope)?;
    if !text::is_name(&author) {
        return Err(Reason::Author);
    }
    if text.as_ref().is_some_and(|text| text.len() > TEXT_MAX) {
        return Err(Reason::Text);
    }
    let user = envelope.subject.is_some().then(|| user(envelope)).transpose()?;
    let (author, text) = (author.as_ref().into(), text.as_deref().map(Box::from));
    Ok(EventBody::ConversationMessage { user, conversation: id(&conversation)?, author, text })
}

fn id(text: &str) -> Result<Uuid, Reason> {
    parse_guid(text).ok_or(Reason::ConversationUuid)
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use serde_json::value::to_raw_value;

    use super::super::{Fact, admit};
    use super::*;

    const KINDS: [&str; 8] = [
        "conversation.started",
        "conversation.routed",
        "conversation.pushed",
        "conversation.message",
        "conversation.transferred",
        "conversation.snoozed",
        "conversation.removed",
        "conversation.closed",
    ];

    const ID: &str = "CBE51CD9-0000-4000-8000-00000000000A";

    fn admitted(kind: &str, subject: Option<&str>, data: &serde_json::Value) -> Result<Fact, &'static str> {
        let mut event = json!({"id": "1", "source": "/acd", "type": format!("conversation.{kind}"),
            "time": "2001-01-01T00:00:00Z", "data": data});
        if let Some(subject) = subject {
            event["subject"] = json!(subject);
        }
        let now = Time::parse("2001-01-01T00:01:00Z").unwrap();
        admit(&to_raw_value(&event).unwrap(), now).map(|event| event.fact).map_err(|refusal| refusal.reason.text())
    }

    #[test]
    fn a_push_requires_subject_uuid_and_channel() {
        let fact = admitted("pushed", Some("101"), &json!({"conversation": ID, "channel": "chat", "project": 7}));
        let EventBody::ConversationPushed { conversation, channel, project, .. } = fact.unwrap().body else { panic!() };
        assert_eq!(conversation.to_string(), ID.to_lowercase());
        assert_eq!((channel, project), (Medium::Chat, Some(EntityRef::Id(7))));
        let missing = |data| admitted("pushed", Some("1"), &data).unwrap_err();
        assert_eq!(missing(json!({"conversation": ID})), "data does not fit the type");
        assert_eq!(missing(json!({"conversation": "c", "channel": "CALL"})), "conversation must be a UUID");
        assert_eq!(missing(json!({"conversation": ID, "channel": "third_party"})), "data does not fit the type");
        let without_subject = admitted("pushed", None, &json!({"conversation": ID, "channel": "SMS"}));
        assert_eq!(without_subject.unwrap_err(), "subject is missing");
    }

    #[test]
    fn missing_and_oversized_members_are_rejected() {
        let reason = |kind, data| admitted(kind, None, &data).unwrap_err();
        assert_eq!(reason("started", json!({"conversation": ID, "channel": "SMS"})), "data does not fit the type");
        assert_eq!(reason("message", json!({"conversation": ID})), "data does not fit the type");
        let long = json!({"conversation": ID, "author": "bot", "text": "x".repeat(8_193)});
        assert_eq!(reason("message", long), "text must be at most 8192 bytes");
        assert_eq!(reason("closed", json!({"conversation": ID, "reason": ""})), "reason must be 1 to 256 bytes");
        assert_eq!(reason("snoozed", json!({"conversation": ID, "until": 5})), "data does not fit the type");
        assert_eq!(reason("reopened", json!({"conversation": ID})), "unknown type");
    }

    #[test]
    fn members_of_other_types_are_ignored() {
        let fact = admitted("closed", None, &json!({"conversation": ID, "channel": "third_party", "text": 5}));
        assert!(matches!(fact.unwrap().body, EventBody::ConversationClosed { reason: None, .. }));
    }

    #[test]
    fn facts_survive_json() {
        let data = json!({"conversation": ID, "author": "visitor", "text": "Hello", "until": "2001-01-01T00:05:00Z",
            "routing_rule": ID, "routing_group": 3, "to_rule": 4, "to_group": ID, "reason": "done", "project": ID,
            "channel": "WHATSAPP"});
        for kind in KINDS {
            let mut fact = admitted(kind.trim_start_matches("conversation."), Some("1"), &data).unwrap();
            assert!(fact.body.conversation().is_some());
            fact.is_final = kind.ends_with("closed");
            let json = serde_json::to_string(&fact).unwrap();
            assert_eq!(json.contains("final"), fact.is_final);
            assert_eq!(serde_json::from_str::<Fact>(&json).unwrap(), fact);
        }
    }
}

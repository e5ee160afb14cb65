//! What was found where an event was rejected, and what fits: a text for the producer, beside the reason. It is made only
//! for rejected events.

use base64::prelude::{BASE64_STANDARD, Engine};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::envelope::{is_json, member_twice};
use super::members::{Kind, Member, members, types};
use super::names::{misspelt_among, nearest};
use super::reason::Reason;
use crate::domain::conversation::ConversationId;
use crate::domain::fault::found::{found, quoted};
use crate::domain::time::Time;

/// Longest event for which a detail is made, in bytes: the whole of it is parsed again, and takes many times its length.
const MAX_EXPLAINED: usize = 64 * 1024;
/// Most members that one detail names.
const MAX_NAMED: usize = 4;
/// The attributes that every event needs.
const REQUIRED: [&str; 4] = ["id", "source", "type", "time"];

/// Returns the detail of a rejection, with members as paths such as `data.channel`; `None` where the reason says all
/// there is. `now` is service time.
pub(super) fn detail(raw: &RawValue, reason: Reason, now: Time) -> Option<String> {
    if raw.get().len() > MAX_EXPLAINED {
        return None;
    }
    let event = match serde_json::from_str(raw.get()) {
        Ok(Value::Object(event)) => event,
        Ok(other) => return Some(format!("{} is given: an object fits", found(&other))),
        // Too deep, or a number out of range: the message has the place.
        Err(error) => return Some(error.to_string()),
    };
    let data = data(&event);
    let kind = event.get("type").and_then(Value::as_str).unwrap_or_default();
    match reason {
        Reason::NotAnEvent => attributes(&event, raw),
        Reason::Specversion => text_at("specversion", event.get("specversion")),
        Reason::Id => text_at("id", event.get("id")),
        Reason::Source | Reason::ReservedSource => text_at("source", event.get("source")),
        Reason::Time | Reason::TimeRange => text_at("time", event.get("time")),
        Reason::TimeAhead => Some(format!("{}, the service's time is \"{now}\"", text_at("time", event.get("time"))?)),
        Reason::UnknownType => Some(unknown_type(kind)),
        Reason::Subject => text_at("subject", event.get("subject")),
        Reason::SubjectMissing => Some(missing("", "subject", names(&event))),
        Reason::DataMissing => Some(no_data(&event, kind)),
        Reason::DataBase64 => not_base64(&event),
        Reason::MemberTwice => {
            let name = member_twice(raw.get()).or_else(|| member_twice(&decoded(&event).ok()?))?;
            Some(format!("{} is given twice", quoted(&name)))
        }
        Reason::Nul => nul_at("", &Value::Object(event.clone())).or_else(|| nul_at("data", data.as_ref()?)),
        Reason::Misspelt => misspelt(&event, data.as_ref(), kind),
        Reason::Data | Reason::ChannelMissing => misfits(kind, data.as_ref()?),
        Reason::StatusEmpty => misfits(kind, data.as_ref()?).or_else(|| Some(none_of(kind, data.as_ref()?))),
        _ => of_member(reason, data.as_ref()?),
    }
}

/// Names the attributes that are missing, have another type or are given twice.
fn attributes(event: &Map<String, Value>, raw: &RawValue) -> Option<String> {
    let of = |name: &&'static str| match event.get(*name) {
        None | Some(Value::Null) => Some(missing("", name, names(event))),
        Some(Value::String(_)) => None,
        Some(other) => text_at(name, Some(other)),
    };
    let problems: Vec<String> = REQUIRED.iter().filter_map(of).collect();
    if problems.is_empty() {
        return member_twice(raw.get()).map(|name| format!("{} is given twice", quoted(&name)));
    }
    Some(problems.join("; "))
}

/// Names a member with its value, and for a value of another type what fits.
fn text_at(path: &str, value: Option<&Value>) -> Option<String> {
    let value = value?;
    Some(match value {
        Value::String(_) => format!("{path} is {}", found(value)),
        Value::Number(number) => format!("{path} is {number}: a string fits, such as \"{number}\""),
        _ => format!("{path} is {}: a string fits", found(value)),
    })
}

/// Says that a member is missing, and which of the given names may be meant.
fn missing<'n>(prefix: &str, name: &str, given: impl Iterator<Item = &'n str>) -> String {
    let text = format!("{prefix}{name} is missing");
    let similar = nearest(name, given);
    similar.map_or(text.clone(), |similar| format!("{text}: {} is given, did you mean \"{name}\"?", quoted(similar)))
}

fn names(members: &Map<String, Value>) -> impl Iterator<Item = &str> {
    let known = |name: &&str| !REQUIRED.contains(name) && !matches!(*name, "subject" | "data" | "data_base64");
    members.keys().map(String::as_str).filter(known)
}

fn unknown_type(kind: &str) -> String {
    let text = format!("type is {}", quoted(kind));
    match nearest(kind, types()) {
        Some(similar) => format!("{text}: did you mean \"{similar}\"?"),
        None => format!("{text}: the types begin with desk., status., slot., slots. or conversation."),
    }
}

fn no_data(event: &Map<String, Value>, kind: &str) -> String {
    let needed: Vec<&str> =
        members(kind).iter().filter(|member| member.is_required).map(|member| member.name).collect();
    let what = if needed.is_empty() { String::new() } else { format!(" with {}", needed.join(" and ")) };
    format!("{}; an object{what} fits", missing("", "data", names(event)))
}

/// The data of an event, in either form.
fn data(event: &Map<String, Value>) -> Option<Value> {
    match event.get("data") {
        None | Some(Value::Null) => serde_json::from_str(&decoded(event).ok()?).ok(),
        Some(data) => Some(data.clone()),
    }
}

/// Returns the text of `data_base64`, or the reason why it has none.
fn decoded(event: &Map<String, Value>) -> Result<String, &'static str> {
    let encoded = event.get("data_base64").and_then(Value::as_str).ok_or("a string fits")?;
    let bytes = BASE64_STANDARD.decode(encoded).map_err(|_| "it is not Base64")?;
    String::from_utf8(bytes).map_err(|_| "it is not UTF-8")
}

fn not_base64(event: &Map<String, Value>) -> Option<String> {
    let content_type = event.get("datacontenttype").filter(|value| !value.is_null());
    if let Some(other) = content_type.filter(|value| !value.as_str().is_some_and(is_json)) {
        return Some(format!("datacontenttype is {}: a type of JSON fits", found(other)));
    }
    let why = match decoded(event) {
        Ok(text) => format!("it is not JSON: {}", serde_json::from_str::<&RawValue>(&text).err()?),
        Err(why) => why.to_owned(),
    };
    Some(format!("data_base64 is {}: {why}", found(event.get("data_base64")?)))
}

/// Returns the path of the first string or name with U+0000.
fn nul_at(path: &str, value: &Value) -> Option<String> {
    let inside = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    match value {
        Value::String(text) => text.contains('\0').then(|| format!("{path} has it")),
        Value::Array(items) => items.iter().enumerate().find_map(|(n, item)| nul_at(&format!("{path}[{n}]"), item)),
        Value::Object(members) => members.iter().find_map(|(name, value)| {
            let own = name.contains('\0').then(|| format!("the name {} has it", quoted(name)));
            own.or_else(|| nul_at(&inside(&shortened(name)), value))
        }),
        _ => None,
    }
}

/// Returns a name as a part of a path, which stays short.
fn shortened(name: &str) -> String {
    name.chars().take(32).collect()
}

/// Names the member that is nearly right.
fn misspelt(event: &Map<String, Value>, data: Option<&Value>, kind: &str) -> Option<String> {
    let of = |prefix: &str, members: &Map<String, Value>, known: &[&'static str]| {
        let (name, meant) = misspelt_among(members.keys().map(String::as_str), known.iter().copied())?;
        Some(format!("{prefix}{} is given: did you mean \"{meant}\"?", shortened(name)))
    };
    let known: Vec<&'static str> = members(kind).iter().map(|member| member.name).collect();
    let of_data = data.and_then(Value::as_object).and_then(|data| of("data.", data, &known));
    of_data.or_else(|| of("", event, &["subject"]))
}

/// Names the members of the data that are missing or do not fit.
fn misfits(kind: &str, data: &Value) -> Option<String> {
    let Some(given) = data.as_object() else {
        return Some(format!("data is {}: an object fits", found(data)));
    };
    let known = members(kind);
    let unknown = || given.keys().map(String::as_str).filter(|name| !known.iter().any(|member| member.name == *name));
    // A status needs any of its members.
    let is_needed = |member: &Member| member.is_required || kind == "status.changed";
    let of = |member: &Member| match given.get(member.name) {
        None | Some(Value::Null) if is_needed(member) => {
            let is_named = member.is_required || nearest(member.name, unknown()).is_some();
            is_named.then(|| missing("data.", member.name, unknown()))
        }
        None | Some(Value::Null) => None,
        Some(value) if member.kind.fits(value) => None,
        Some(value) => Some(misfit(&format!("data.{}", member.name), member.kind, value)),
    };
    let problems: Vec<String> = known.iter().filter_map(of).take(MAX_NAMED).collect();
    (!problems.is_empty()).then(|| problems.join("; "))
}

/// Says that the data has none of the members of which one is needed, and what it has instead.
fn none_of(kind: &str, data: &Value) -> String {
    let needed: Vec<&str> = members(kind).iter().map(|member| member.name).collect();
    let given = data.as_object().into_iter().flatten().take(MAX_NAMED);
    let given: Vec<String> = given.map(|(name, value)| format!("{} is {}", quoted(name), found(value))).collect();
    let text = format!("data has none of {}", needed.join(", "));
    if given.is_empty() { text } else { format!("{text}: {}", given.join(", ")) }
}

fn misfit(path: &str, kind: Kind, value: &Value) -> String {
    match (kind, value) {
        (Kind::Text, _) => text_at(path, Some(value)).unwrap_or_default(),
        (Kind::Texts, Value::Array(items)) => {
            let other = items.iter().enumerate().find(|(_, item)| !item.is_string());
            other.and_then(|(n, item)| text_at(&format!("{path}[{n}]"), Some(item))).unwrap_or_default()
        }
        (Kind::Switches, Value::Object(switches)) => switch(path, switches),
        _ => with_suggestion(format!("{path} is {}: {} fits", found(value), kind.what_fits()), kind, value.as_str()),
    }
}

fn with_suggestion(text: String, kind: Kind, given: Option<&str>) -> String {
    let similar = given.and_then(|given| nearest(given, kind.names()));
    similar.map_or(text.clone(), |similar| format!("{text}, did you mean \"{similar}\"?"))
}

fn switch(path: &str, switches: &Map<String, Value>) -> String {
    let channels = Kind::Channel;
    for (name, is_on) in switches {
        let at = format!("{path}.{}", shortened(name));
        if !channels.fits(&Value::from(name.as_str())) {
            let text = format!("{at} is no channel: {} fits", channels.what_fits());
            return with_suggestion(text, channels, Some(name));
        }
        if !is_on.is_boolean() {
            return format!("{at} is {}: true or false fits", found(is_on));
        }
    }
    format!("{path} names a channel twice")
}

/// Names the member of the data that a reason is about.
fn of_member(reason: Reason, data: &Value) -> Option<String> {
    let name = match reason {
        Reason::Session => "session",
        Reason::Device => "device",
        Reason::LeaseSeconds => "lease_seconds",
        Reason::Author => "author",
        Reason::Text => "text",
        Reason::ClosingReason => "reason",
        Reason::Conversation | Reason::ConversationUuid if data.get("conversation").is_some() => "conversation",
        Reason::Conversation => {
            let all = data.get("conversations")?.as_array()?;
            let is_bad = |item: &Value| item.as_str().is_some_and(|id| ConversationId::new(id).is_none());
            let (n, item) = all.iter().enumerate().find(|(_, item)| is_bad(item))?;
            return Some(format!("data.conversations[{n}] is {}", found(item)));
        }
        Reason::Conversations => {
            return Some(format!("data.conversations has {} elements", data.get("conversations")?.as_array()?.len()));
        }
        _ => return None,
    };
    Some(format!("data.{name} is {}", found(data.get(name)?)))
}

//! The CloudEvents envelope of an event, and the members that several types share.

use std::borrow::Cow;
use std::fmt;

use base64::prelude::{BASE64_STANDARD, Engine};
use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::names::Name;
use super::reason::Reason;
use crate::domain::ids::UserRef;
use crate::domain::json::Object;

/// Maximum length of a session id, in bytes.
const SESSION_MAX: usize = 128;

/// A CloudEvents envelope, with its data unparsed. Unknown members are ignored.
#[derive(Deserialize)]
pub(super) struct Envelope<'a> {
    #[serde(borrow, default)]
    pub specversion: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub id: Cow<'a, str>,
    #[serde(borrow)]
    pub source: Cow<'a, str>,
    #[serde(borrow, rename = "type")]
    pub kind: Cow<'a, str>,
    #[serde(borrow, default)]
    pub subject: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub time: Cow<'a, str>,
    #[serde(borrow, default)]
    pub data: Option<&'a RawValue>,
    #[serde(borrow, default)]
    data_base64: Option<Cow<'a, str>>,
    /// Read beside `data_base64` only: without it the data is JSON already.
    #[serde(borrow, default)]
    datacontenttype: Option<&'a RawValue>,
}

impl<'a> Envelope<'a> {
    /// Returns the JSON of `data_base64`; `None` without that member. It passes the checks that the event's own text
    /// passed.
    pub fn decoded(&self) -> Result<Option<Box<RawValue>>, Reason> {
        let Some(encoded) = &self.data_base64 else { return Ok(None) };
        if self.data.is_some() {
            return Err(Reason::DataTwice);
        }
        let misfit = Reason::DataBase64;
        let content_type = self.datacontenttype.map(|value| serde_json::from_str::<Cow<'_, str>>(value.get()));
        if content_type.is_some_and(|name| !name.is_ok_and(|name| is_json(&name))) {
            return Err(misfit);
        }
        let bytes = BASE64_STANDARD.decode(encoded.as_bytes()).map_err(|_| misfit)?;
        let text = String::from_utf8(bytes).map_err(|_| misfit)?;
        let data = RawValue::from_string(text).map_err(|_| misfit)?;
        if holds_nul(&data) {
            return Err(Reason::Nul);
        }
        each_member_once(&data)?;
        Ok(Some(data))
    }

    /// Replaces the data by what [`Envelope::decoded`] returned, if there is any.
    pub fn with_data<'b>(self, decoded: Option<&'b RawValue>) -> Envelope<'b>
    where
        'a: 'b,
    {
        Envelope { data: decoded.or(self.data), ..self }
    }
}

/// Returns the reason for which JSON is not an envelope: an optional attribute of another type, or else the absence of a
/// required one.
pub(super) fn misshapen(raw: &RawValue) -> Reason {
    #[derive(Deserialize)]
    struct Attributes<'a> {
        #[serde(borrow, rename = "id")]
        _id: Cow<'a, str>,
        #[serde(borrow, rename = "source")]
        _source: Cow<'a, str>,
        #[serde(borrow, rename = "type")]
        _kind: Cow<'a, str>,
        #[serde(borrow, rename = "time")]
        _time: Cow<'a, str>,
        #[serde(borrow, default)]
        specversion: Option<&'a RawValue>,
        #[serde(borrow, default)]
        subject: Option<&'a RawValue>,
        #[serde(borrow, default)]
        data_base64: Option<&'a RawValue>,
    }
    let Ok(Object(attributes)) = serde_json::from_str::<Object<Attributes<'_>>>(raw.get()) else {
        return Reason::NotAnEvent;
    };
    let Attributes { specversion, subject, data_base64, .. } = attributes;
    let optional = [(specversion, Reason::Specversion), (subject, Reason::Subject), (data_base64, Reason::DataBase64)];
    let is_other = |value: Option<&RawValue>| value.is_some_and(|value| !value.get().starts_with('"'));
    let misfit = optional.into_iter().find(|(value, _)| is_other(*value));
    misfit.map_or(Reason::NotAnEvent, |(_, reason)| reason)
}

/// Returns true if a `datacontenttype` declares JSON: `*/json` or `*/*+json`, whatever its parameters.
pub(super) fn is_json(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence.split_once('/').is_some_and(|(_, subtype)| subtype == "json" || subtype.ends_with("+json"))
}

/// Returns true if any string or member name, at any depth, contains U+0000. The search of the raw text is cheap and
/// almost always enough; only a hit needs the value parsed, since `\\u0000` is an escaped backslash.
pub(super) fn holds_nul(raw: &RawValue) -> bool {
    fn walk(value: &serde_json::Value) -> bool {
        match value {
            serde_json::Value::String(text) => text.contains('\0'),
            serde_json::Value::Array(items) => items.iter().any(walk),
            serde_json::Value::Object(members) => members.iter().any(|(name, v)| name.contains('\0') || walk(v)),
            _ => false,
        }
    }
    // A value nested too deeply to parse counts as a hit, and is rejected.
    raw.get().contains("\\u0000") && serde_json::from_str(raw.get()).map_or(true, |value| walk(&value))
}

/// Rejects JSON with a member that is given twice, at any depth: either value could be the intended one.
pub(super) fn each_member_once(raw: &RawValue) -> Result<(), Reason> {
    serde_json::from_str::<Once>(raw.get()).map(drop).map_err(|error| {
        // Values that are skipped are not parsed as strictly as these.
        if error.to_string().starts_with(TWICE) { Reason::MemberTwice } else { Reason::Unreadable }
    })
}

/// Returns the name of a member that is given twice, if there is one.
pub(super) fn member_twice(raw: &str) -> Option<String> {
    let error = serde_json::from_str::<Once>(raw).err()?.to_string();
    // The parser adds the place to the message.
    let (message, _place) = error.rsplit_once(" at line ")?;
    Some(message.strip_prefix(TWICE)?.strip_prefix(": ")?.to_owned())
}

const TWICE: &str = Reason::MemberTwice.text();

/// Any JSON value in which each member is given once.
struct Once;

impl<'de> Deserialize<'de> for Once {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Once)
    }
}

impl<'de> Visitor<'de> for Once {
    type Value = Once;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Once, A::Error> {
        let mut names: Vec<Name<'de>> = Vec::new();
        while let Some(name) = members.next_key()? {
            names.push(name);
            members.next_value::<Once>()?;
        }
        names.sort_unstable();
        match names.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(twice) => Err(Error::custom(format_args!("{TWICE}: {}", twice[0].0))),
            None => Ok(Once),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Once, A::Error> {
        while elements.next_element::<Once>()?.is_some() {}
        Ok(Once)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Once, E> {
        Ok(Once)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Once, E> {
        Ok(Once)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Once, E> {
        Ok(Once)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Once, E> {
        Ok(Once)
    }

    fn visit_str<E>(self, _: &str) -> Result<Once, E> {
        Ok(Once)
    }

    fn visit_unit<E>(self) -> Result<Once, E> {
        Ok(Once)
    }
}

/// Parses the data of an event's type.
pub(super) fn data<'a, T: Deserialize<'a>>(envelope: &Envelope<'a>) -> Result<T, Reason> {
    let data = envelope.data.ok_or(Reason::DataMissing)?;
    // `Object`, since a derived reader would accept an array as well.
    let read: Result<Object<T>, _> = serde_json::from_str(data.get());
    read.map(|Object(data)| data).map_err(|_| Reason::Data)
}

/// Parses the subject as a reference to a user.
pub(super) fn user(envelope: &Envelope<'_>) -> Result<UserRef, Reason> {
    let subject = envelope.subject.as_ref().ok_or(Reason::SubjectMissing)?;
    subject.parse().map_err(|_| Reason::Subject)
}

/// Validates a session id, which a desk chooses and which is unique within its user.
pub fn session(name: &str) -> Result<Box<str>, Reason> {
    let is_good = (1..=SESSION_MAX).contains(&name.len()) && !name.contains('\0');
    if is_good { Ok(name.into()) } else { Err(Reason::Session) }
}

//! Tenant ids, and references to entities by integer id, GUID or external id.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

use super::text;

/// The id of a tenant. For requests only `auth` creates it, from the credential, and every look-up takes it first: data
/// of one tenant cannot be reached with the credential of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TenantId(pub Uuid);

impl fmt::Display for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The largest integer id: the largest integer that every JSON parser represents exactly (2^53 − 1).
pub const MAX_ID: i64 = 9_007_199_254_740_991;

/// A reference to an entity by integer id or GUID (CONTRACTS.md 1.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EntityRef {
    /// The integer id. An integer beyond 64 bits is well formed but cannot exist; it is parsed as 0, which no entity
    /// has.
    Id(i64),
    /// The GUID, in any case of its letters.
    Guid(Uuid),
}

/// Error: the text is neither a decimal integer nor a GUID.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("neither an integer id nor a GUID")]
pub struct MalformedRef;

impl FromStr for EntityRef {
    type Err = MalformedRef;

    fn from_str(text: &str) -> Result<Self, MalformedRef> {
        if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
            // Only an overflow can fail here.
            return Ok(EntityRef::Id(text.parse().unwrap_or(0)));
        }
        parse_guid(text).map(EntityRef::Guid).ok_or(MalformedRef)
    }
}

/// Parses a GUID in hyphenated form. Other forms that the UUID library accepts are rejected: the vendors use only this
/// one.
pub fn parse_guid(text: &str) -> Option<Uuid> {
    // Of the forms that `try_parse` accepts only the hyphenated one has 36 characters.
    if text.len() == 36 { Uuid::try_parse(text).ok() } else { None }
}

impl Serialize for EntityRef {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            EntityRef::Id(id) => serializer.serialize_i64(*id),
            EntityRef::Guid(guid) => guid.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for EntityRef {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl serde::de::Visitor<'_> for Either {
            type Value = EntityRef;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an integer id or a GUID")
            }
            fn visit_i64<E: serde::de::Error>(self, id: i64) -> Result<EntityRef, E> {
                if id < 0 { Err(E::custom(MalformedRef)) } else { Ok(EntityRef::Id(id)) }
            }
            fn visit_u64<E: serde::de::Error>(self, id: u64) -> Result<EntityRef, E> {
                Ok(EntityRef::Id(i64::try_from(id).unwrap_or(0)))
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<EntityRef, E> {
                text.parse().map_err(E::custom)
            }
        }
        deserializer.deserialize_any(Either)
    }
}

/// The subject of an event: a user by integer id, GUID or external id (EVENTS.md, "Envelope").
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum UserRef {
    /// By integer id or GUID.
    Entity(EntityRef),
    /// By the customer's own id.
    External(Box<str>),
}

impl UserRef {
    /// Creates a reference by integer id.
    pub const fn id(id: i64) -> Self {
        UserRef::Entity(EntityRef::Id(id))
    }
}

impl FromStr for UserRef {
    type Err = MalformedRef;

    fn from_str(reference: &str) -> Result<Self, MalformedRef> {
        match reference.strip_prefix("external:") {
            Some(id) if text::is_name(id) => Ok(UserRef::External(id.into())),
            Some(_) => Err(MalformedRef),
            None => reference.parse().map(UserRef::Entity),
        }
    }
}

impl fmt::Display for UserRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            UserRef::Entity(EntityRef::Id(id)) => id.fmt(f),
            UserRef::Entity(EntityRef::Guid(guid)) => guid.fmt(f),
            UserRef::External(id) => write!(f, "external:{id}"),
        }
    }
}

impl Serialize for UserRef {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for UserRef {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_is_a_decimal_integer_or_a_guid() {
        assert_eq!("12".parse(), Ok(EntityRef::Id(12)));
        assert_eq!("99999999999999999999".parse(), Ok(EntityRef::Id(0)));
        assert!(matches!("457857dc-19eb-4eb9-b562-c90ca37de447".parse(), Ok(EntityRef::Guid(_))));
        for text in ["", "-1", "+1", "1.0", "abc", " 1", "457857dc19eb4eb9b562c90ca37de447"] {
            assert_eq!(text.parse::<EntityRef>(), Err(MalformedRef), "{text}");
        }
    }

    #[test]
    fn a_subject_may_be_external() {
        assert_eq!("external:a:b".parse(), Ok(UserRef::External("a:b".into())));
        assert_eq!("external:".parse::<UserRef>(), Err(MalformedRef));
        assert_eq!("101".parse(), Ok(UserRef::id(101)));
    }
}

//! The filters of a tile, by ids, GUIDs and names as the breakdown takes them.

use std::fmt;

use serde::de::{Deserializer, Error, Visitor};
use serde::{Deserialize, Serialize, Serializer};

use crate::domain::filter::{Dimension, Value};
use crate::domain::ids::{EntityRef, MAX_ID, UserRef};
use crate::domain::json;
use crate::domain::role::Role;

/// A value of a filter: an id, a GUID or a name. A text of digits is an id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilterValue(Box<str>);

impl FilterValue {
    /// The value as a text.
    pub fn text(&self) -> &str {
        &self.0
    }

    /// The value of a dimension.
    pub fn value(&self) -> Value {
        self.0.parse().map_or_else(|_| Value::Name(self.0.to_string()), Value::Entity)
    }

    /// The user that the value names; `None` if it is neither an id, a GUID, nor `external:` with an external id.
    pub fn user(&self) -> Option<UserRef> {
        self.0.parse().ok()
    }
}

impl Serialize for FilterValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.parse() {
            // Digits beyond 64 bits, or with zeros before them, stay a text.
            Ok(EntityRef::Id(id)) if *id.to_string() == *self.0 => serializer.serialize_i64(id),
            _ => serializer.serialize_str(&self.0),
        }
    }
}

impl<'de> Deserialize<'de> for FilterValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl Visitor<'_> for Either {
            type Value = FilterValue;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an integer id, a GUID or a name")
            }
            fn visit_u64<E: Error>(self, id: u64) -> Result<FilterValue, E> {
                if id > MAX_ID as u64 {
                    return Err(E::custom("an id is at most 9007199254740991"));
                }
                Ok(FilterValue(id.to_string().into()))
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<FilterValue, E> {
                Ok(FilterValue(text.into()))
            }
        }
        deserializer.deserialize_any(Either)
    }
}

/// The filters of a tile. Users must match all of them, and of one any value.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Filters {
    /// Members of any of these groups.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "json::given")]
    pub group: Option<Vec<FilterValue>>,
    /// Users with any of these skills.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "json::given")]
    pub skill_any: Option<Vec<FilterValue>>,
    /// Users with all of these skills.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "json::given")]
    pub skill_all: Option<Vec<FilterValue>>,
    /// Users of any of these queues.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "json::given")]
    pub queue: Option<Vec<FilterValue>>,
    /// Users of any of these campaigns.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "json::given")]
    pub campaign: Option<Vec<FilterValue>>,
    /// Users of any of these projects.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "json::given")]
    pub project: Option<Vec<FilterValue>>,
    /// Members of any of these routing groups.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "json::given")]
    pub routing_group: Option<Vec<FilterValue>>,
    /// Users with any of these roles.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "json::given")]
    pub role: Option<Vec<Role>>,
    /// Any of these users.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "json::given")]
    pub user: Option<Vec<FilterValue>>,
}

/// A list of values by the name of its member.
#[derive(Clone, Copy, Debug)]
pub struct Named<'f> {
    /// The member's name.
    pub name: &'static str,
    /// The dimension, and true if users must have all values; `None` for users themselves.
    pub dimension: Option<(Dimension, bool)>,
    /// The values.
    pub values: &'f [FilterValue],
}

impl Filters {
    /// Iterates over the lists that are given, but for roles.
    pub fn lists(&self) -> impl Iterator<Item = Named<'_>> {
        let any = |dimension| Some((dimension, false));
        [
            ("group", any(Dimension::Group), &self.group),
            ("skill_any", any(Dimension::Skill), &self.skill_any),
            ("skill_all", Some((Dimension::Skill, true)), &self.skill_all),
            ("queue", any(Dimension::Queue), &self.queue),
            ("campaign", any(Dimension::Campaign), &self.campaign),
            ("project", any(Dimension::Project), &self.project),
            ("routing_group", any(Dimension::RoutingGroup), &self.routing_group),
            ("user", None, &self.user),
        ]
        .into_iter()
        .filter_map(|(name, dimension, values)| Some(Named { name, dimension, values: values.as_deref()? }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_written_as_they_are_read() {
        let text = r#"{"group":[1,"North","01"],"role":["manager"],"user":["external:a"]}"#;
        let filters: Filters = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&filters).unwrap(), text);
        let names: Vec<_> = filters.lists().map(|list| (list.name, list.values.len())).collect();
        assert_eq!(names, [("group", 3), ("user", 1)]);
        let texts: Filters = serde_json::from_str(r#"{"group":["1"]}"#).unwrap();
        assert_eq!(texts.group.unwrap()[0], filters.group.unwrap()[0]);
        for text in [r#"{"group":[-1]}"#, r#"{"group":[1.5]}"#, r#"{"group":null}"#, r#"{"groups":[1]}"#] {
            assert!(serde_json::from_str::<Filters>(text).is_err(), "{text}");
        }
    }
}

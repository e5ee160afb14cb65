//! JSON beyond what serde derives: members that are absent, `null` or set, and structs read from objects only. A derived
//! `Deserialize` also accepts an array, matching its elements to the struct's fields by position.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde::{Serialize, Serializer};

/// A member of a patch: absent, cleared with `null`, or set.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Field<T> {
    /// Not in the document: the value stays as it is.
    #[default]
    Absent,
    /// `null`: the value is removed.
    Clear,
    /// The value is replaced by this one.
    Set(T),
}

impl<T> Field<T> {
    /// Returns true if the document does not contain the member.
    pub const fn is_absent(&self) -> bool {
        matches!(self, Field::Absent)
    }

    /// The value of [`Field::Set`].
    pub const fn value(&self) -> Option<&T> {
        match self {
            Field::Set(value) => Some(value),
            Field::Absent | Field::Clear => None,
        }
    }
}

impl<T: Clone> Field<T> {
    /// Applies the member to `target`.
    pub fn patch(&self, target: &mut Option<T>) {
        match self {
            Field::Absent => {}
            Field::Clear => *target = None,
            Field::Set(value) => *target = Some(value.clone()),
        }
    }
}

impl<T: Serialize> Serialize for Field<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // Absent members are skipped by `skip_serializing_if`; here they would become `null`, which clears.
        self.value().serialize(serializer)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Field<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(match Option::deserialize(deserializer)? {
            Some(value) => Field::Set(value),
            // A missing member does not get here: it is `Absent` by `serde(default)`.
            None => Field::Clear,
        })
    }
}

/// A value deserialized from a JSON object; an array is an error.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Object<T>(pub T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Members<T> {
            type Value = Object<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<Object<T>, A::Error> {
                T::deserialize(MapAccessDeserializer::new(members)).map(Object)
            }
        }
        // Only `visit_map` is implemented, so anything but an object is a type error.
        deserializer.deserialize_map(Members(PhantomData))
    }
}

/// Deserializes a list of objects, each as [`Object`] does. For `deserialize_with`.
pub fn list<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    let objects = Vec::<Object<T>>::deserialize(deserializer)?;
    Ok(objects.into_iter().map(|Object(value)| value).collect())
}

/// Deserializes a member that may be absent, but not `null`: `Option` alone would take `null` for an absent member, and
/// so ignore it. For `deserialize_with`, beside `default`.
pub fn given<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// Deserializes an object that may be absent, but not `null`. For `deserialize_with`, beside `default`.
pub fn object<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    Ok(given::<Object<T>, D>(deserializer)?.map(|Object(value)| value))
}

/// Deserializes an object as [`Field::Set`], or `null` as [`Field::Clear`]. For `deserialize_with`.
pub fn field<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Field<T>, D::Error> {
    let object: Field<Object<T>> = Field::deserialize(deserializer)?;
    Ok(match object {
        Field::Set(Object(value)) => Field::Set(value),
        Field::Absent | Field::Clear => Field::Clear,
    })
}

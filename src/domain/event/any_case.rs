//! Enums as events name them: in any case.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};

use super::body::Surface;
use crate::domain::channel::Channel;
use crate::domain::conversation::Medium;
use crate::domain::presence::Category;

/// An enum with values that events name.
pub trait Named: Copy + 'static {
    /// All values, in the order in which messages list them.
    const VALUES: &'static [Self];

    /// The name in events.
    fn name(self) -> &'static str;

    /// Returns the value with a name, in any case.
    fn parse(name: &str) -> Option<Self> {
        Self::VALUES.iter().copied().find(|value| value.name().eq_ignore_ascii_case(name))
    }
}

impl Named for Channel {
    const VALUES: &'static [Self] = &Channel::ALL;

    fn name(self) -> &'static str {
        self.name()
    }
}

impl Named for Medium {
    const VALUES: &'static [Self] = &Medium::ALL;

    fn name(self) -> &'static str {
        self.name()
    }
}

impl Named for Category {
    const VALUES: &'static [Self] = &[Category::Ready, Category::Away, Category::ExtendedAway];

    fn name(self) -> &'static str {
        match self {
            Category::Ready => "Ready",
            Category::Away => "Away",
            Category::ExtendedAway => "ExtendedAway",
        }
    }
}

impl Named for Surface {
    const VALUES: &'static [Self] = &[Surface::Desk, Surface::Administration];

    fn name(self) -> &'static str {
        match self {
            Surface::Desk => "desk",
            Surface::Administration => "administration",
        }
    }
}

/// A value that is read by its name in any case.
#[derive(Clone, Copy, Debug)]
pub struct AnyCase<T>(pub T);

impl<'de, T: Named> Deserialize<'de> for AnyCase<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = Cow::<'de, str>::deserialize(deserializer)?;
        T::parse(&name).map(AnyCase).ok_or_else(|| D::Error::custom("no value has this name"))
    }
}

/// A boolean for some of the channels, in the order of [`Channel::ALL`].
pub(super) struct Switches(pub Vec<(Channel, bool)>);

impl<'de> Deserialize<'de> for Switches {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ByName;
        impl<'de> Visitor<'de> for ByName {
            type Value = Switches;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object with a boolean for each channel")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Switches, A::Error> {
                let mut switches = Vec::new();
                while let Some((AnyCase(channel), is_on)) = members.next_entry::<AnyCase<Channel>, bool>()? {
                    // In two cases: the same name is found twice elsewhere.
                    if switches.iter().any(|(known, _)| *known == channel) {
                        return Err(A::Error::custom("a channel is given twice"));
                    }
                    switches.push((channel, is_on));
                }
                switches.sort_unstable_by_key(|(channel, _)| *channel);
                Ok(Switches(switches))
            }
        }
        deserializer.deserialize_map(ByName)
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Debug;

    use serde::Serialize;

    use super::*;

    fn names_are_those_of_the_journal<T: Named + Serialize + PartialEq + Debug>() {
        for value in T::VALUES {
            assert_eq!(serde_json::to_value(value).unwrap(), value.name());
            assert_eq!(T::parse(&value.name().to_uppercase()), Some(*value));
            assert_eq!(T::parse(&value.name().to_lowercase()), Some(*value));
        }
        assert_eq!(T::parse("other"), None);
    }

    #[test]
    fn values_are_named_in_any_case() {
        names_are_those_of_the_journal::<Channel>();
        names_are_those_of_the_journal::<Medium>();
        names_are_those_of_the_journal::<Category>();
        names_are_those_of_the_journal::<Surface>();
    }

    #[test]
    fn switches_are_in_the_order_of_channels() {
        let read = |json: &str| serde_json::from_str::<Switches>(json).map(|Switches(switches)| switches);
        let expected = vec![(Channel::Chat, true), (Channel::ThirdParty, false)];
        assert_eq!(read(r#"{"THIRD_PARTY":false,"Chat":true}"#).unwrap(), expected);
        for wrong in [r#"{"chat":true,"CHAT":true}"#, r#"{"fax":true}"#, r#"{"chat":1}"#, "[]", "true"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}

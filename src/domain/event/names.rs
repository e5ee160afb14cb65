//! Names that are nearly right.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

/// Shortest name in which one wrong letter is taken for a mistake: of two short names each may be meant.
const SHORTEST: usize = 5;

/// Returns the name of a member that is nearly that of a known member which is not given, with the latter. Other unknown
/// members are ignored. `None` also for JSON that is not an object.
pub fn misspelt(
    raw: &RawValue,
    known: impl Iterator<Item = &'static str> + Clone,
) -> Option<(Cow<'_, str>, &'static str)> {
    let Names(names) = serde_json::from_str(raw.get()).ok()?;
    let (name, meant) = misspelt_among(names.iter().map(AsRef::as_ref), known)?;
    Some((Cow::Owned(name.to_owned()), meant))
}

/// Finds what [`misspelt`] does among the names of an object.
pub fn misspelt_among<'n>(
    names: impl Iterator<Item = &'n str> + Clone,
    known: impl Iterator<Item = &'static str> + Clone,
) -> Option<(&'n str, &'static str)> {
    // Compared only if there is an unknown name, which most events do not have.
    let mut unknown = names.clone().filter(|name| !known.clone().any(|known| known == *name));
    let absent = known.clone().filter(|known| !names.clone().any(|given| given == *known));
    unknown.find_map(|name| Some((name, absent.clone().find(|known| is_near(name, known))?)))
}

/// Returns true if a name differs from a known one in case, hyphens and underscores, or in one letter, left out, added,
/// replaced or exchanged with the next.
fn is_near(name: &str, known: &str) -> bool {
    plain(name).eq(plain(known))
        || (known.len() >= SHORTEST && name.len().abs_diff(known.len()) <= 1 && strsim::osa_distance(name, known) <= 1)
}

/// Returns the known name that is most like a name; `None` if none is like it.
pub fn nearest<'k>(name: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let name = name.to_lowercase();
    let distance = |known: &str| {
        // What is much longer or shorter is not compared, so that the cost has a bound.
        let is_alike = name.len().abs_diff(known.len()) <= 3;
        let distance = is_alike.then(|| strsim::osa_distance(&name, &known.to_lowercase()));
        distance.filter(|distance| *distance <= (known.len() / 3).clamp(1, 3))
    };
    let alike = known.into_iter().filter_map(|known| Some((distance(known)?, known)));
    alike.min_by_key(|(distance, _)| *distance).map(|(_, known)| known)
}

fn plain(name: &str) -> impl Iterator<Item = char> {
    name.chars().filter(|c| !matches!(c, '_' | '-')).map(|c| c.to_ascii_lowercase())
}

/// The names of the members of an object.
struct Names<'a>(Vec<Cow<'a, str>>);

impl<'de> Deserialize<'de> for Names<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Names<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Names<'de>, A::Error> {
                let mut names = Vec::new();
                while let Some((Name(name), IgnoredAny)) = members.next_entry()? {
                    names.push(name);
                }
                Ok(Names(names))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}

/// The name of a member; borrowed unless it has escapes.
#[derive(serde::Deserialize, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name<'a>(#[serde(borrow)] pub Cow<'a, str>);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_mistake_in_the_name_of_an_absent_member_is_found() {
        let find = |json: &str, known: &[&'static str]| {
            let raw: Box<RawValue> = serde_json::from_str(json).unwrap();
            misspelt(&raw, known.iter().copied()).map(|(name, meant)| format!("{name} for {meant}"))
        };
        let known = &["session", "lease_seconds", "text"];
        for name in
            ["lease_secons", "lease_secondss", "lease_secnods", "leaseSeconds", "Lease-Seconds", "LEASE_SECONDS"]
        {
            let found = find(&format!(r#"{{"session":"s","{name}":30}}"#), known);
            assert_eq!(found, Some(format!("{name} for lease_seconds")));
        }
        assert_eq!(find(r#"{"session":"s","\u0073esion":1,"TEXT":1}"#, known), Some(String::from("TEXT for text")));
        for json in [
            r#"{"session":"s","sesion":"s"}"#,
            r#"{"session":"s","test":1}"#,
            r#"{"session":"s","lease":1}"#,
            r#"{"session":"s","extra":{"lease_secons":1}}"#,
            "[1]",
            "null",
        ] {
            assert_eq!(find(json, known), None, "{json}");
        }
    }

    #[test]
    fn the_most_similar_name_is_suggested() {
        let known = ["chat", "call", "video", "third_party"];
        for (name, expected) in [
            ("chta", Some("chat")),
            ("cal", Some("call")),
            ("thirdparty", Some("third_party")),
            ("THIRD-PARTY", Some("third_party")),
            ("fax", None),
            ("", None),
        ] {
            assert_eq!(nearest(name, known), expected, "{name}");
        }
        assert_eq!(nearest(&"chat".repeat(1_000), known), None);
    }
}

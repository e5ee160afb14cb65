//! Sizes of interactions: the part of an agent's capacity that each of them uses (docs/reference/vonage.md, "Capacity").

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use crate::domain::json::Field;

/// Allowed sizes, in percent.
pub const SIZES: RangeInclusive<i64> = 1..=100;

/// Sizes of interactions in percent, as far as they are set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Sizes {
    /// A call or video call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub live: Option<u8>,
    /// A chat.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub semi_live: Option<u8>,
    /// A conversation on a third-party channel.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub non_live: Option<u8>,
}

impl Sizes {
    /// Returns true if no size is set.
    pub fn is_default(&self) -> bool {
        *self == Sizes::default()
    }

    /// Returns these sizes, and those of `others` where none is set.
    #[must_use]
    pub fn or(self, others: Sizes) -> Sizes {
        Sizes {
            live: self.live.or(others.live),
            semi_live: self.semi_live.or(others.semi_live),
            non_live: self.non_live.or(others.non_live),
        }
    }
}

/// Changes to sizes: an absent one stays as it is, `null` is set no longer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SizesPatch {
    /// See [`Sizes::live`].
    #[serde(skip_serializing_if = "Field::is_absent")]
    pub live: Field<i64>,
    /// See [`Sizes::semi_live`].
    #[serde(skip_serializing_if = "Field::is_absent")]
    pub semi_live: Field<i64>,
    /// See [`Sizes::non_live`].
    #[serde(skip_serializing_if = "Field::is_absent")]
    pub non_live: Field<i64>,
}

impl SizesPatch {
    /// Returns the names of the sizes that are out of range.
    pub fn out_of_range(&self) -> impl Iterator<Item = &'static str> {
        let sizes = [(&self.live, "live"), (&self.semi_live, "semi_live"), (&self.non_live, "non_live")];
        sizes
            .into_iter()
            .filter(|(size, _)| size.value().is_some_and(|size| !SIZES.contains(size)))
            .map(|(_, name)| name)
    }

    /// Applies the changes to `sizes`.
    pub fn patch(&self, sizes: &mut Sizes) {
        for (change, size) in [
            (&self.live, &mut sizes.live),
            (&self.semi_live, &mut sizes.semi_live),
            (&self.non_live, &mut sizes.non_live),
        ] {
            match change {
                Field::Absent => {}
                Field::Clear => *size = None,
                // Checked before: a size fits into 8 bits.
                Field::Set(percent) => *size = u8::try_from(*percent).ok(),
            }
        }
    }
}

/// Applies a member that patches sizes: `null` clears all of them.
pub fn patch_sizes(change: &Field<SizesPatch>, sizes: &mut Sizes) {
    match change {
        Field::Absent => {}
        Field::Clear => *sizes = Sizes::default(),
        Field::Set(change) => change.patch(sizes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patched(json: &str) -> Sizes {
        let patch: SizesPatch = serde_json::from_str(json).unwrap();
        let mut sizes = Sizes { live: Some(51), semi_live: Some(33), non_live: None };
        patch.patch(&mut sizes);
        sizes
    }

    #[test]
    fn absent_sizes_stay_and_null_clears() {
        assert_eq!(patched("{}"), Sizes { live: Some(51), semi_live: Some(33), non_live: None });
        let some = r#"{"live":null,"non_live":20}"#;
        assert_eq!(patched(some), Sizes { live: None, semi_live: Some(33), non_live: Some(20) });
    }

    #[test]
    fn sizes_are_taken_from_others_where_none_is_set() {
        let own = Sizes { live: Some(60), ..Sizes::default() };
        let others = Sizes { live: Some(51), semi_live: Some(33), non_live: None };
        assert_eq!(own.or(others), Sizes { live: Some(60), semi_live: Some(33), non_live: None });
    }

    #[test]
    fn sizes_out_of_range_are_named() {
        let patch: SizesPatch = serde_json::from_str(r#"{"live":0,"semi_live":100,"non_live":101}"#).unwrap();
        assert_eq!(patch.out_of_range().collect::<Vec<_>>(), ["live", "non_live"]);
    }
}

//! The form in which people appear on a wall.

use serde::{Deserialize, Serialize};

use crate::domain::profile::Profile;

/// The names of people that a link shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Names {
    /// First names.
    #[default]
    First,
    /// First and last names.
    Full,
    /// Numbers within a tile in place of names.
    Hidden,
}

impl Names {
    /// All forms, in declaration order.
    pub const ALL: [Names; 3] = [Names::First, Names::Full, Names::Hidden];

    /// The name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Names::First => "first",
            Names::Full => "full",
            Names::Hidden => "hidden",
        }
    }

    /// Returns the label of the person at a place of a tile, from 0. Without a first name of its own the first word of
    /// the name is taken for it.
    pub fn label(self, profile: &Profile, place: usize) -> String {
        let Profile { name, first_name, .. } = profile;
        let given = first_name.as_deref().map(str::trim).filter(|given| !given.is_empty());
        match (self, given) {
            (Names::First, Some(given)) => given.to_owned(),
            (Names::First, None) => name.split_whitespace().next().unwrap_or_default().to_owned(),
            (Names::Full, Some(given)) => format!("{given} {name}"),
            (Names::Full, None) => name.clone(),
            (Names::Hidden, _) => format!("Agent {}", place + 1),
        }
    }
}

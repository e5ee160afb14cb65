//! The form in which people appear on a wall.

use serde::{Deserialize, Serialize};

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
    /// the name is taken for it. Words with an `@` are left out, since they are addresses, also where a name is one.
    /// A person of whom nothing is left has a number.
    pub fn label(self, first_name: Option<&str>, name: &str, place: usize) -> String {
        let plain = |text: &str| {
            let words: Vec<&str> = text.split_whitespace().filter(|word| !word.contains('@')).collect();
            words.join(" ")
        };
        let (given, name) = (plain(first_name.unwrap_or_default()), plain(name));
        let label = match self {
            Names::First if given.is_empty() => name.split(' ').next().unwrap_or_default().to_owned(),
            Names::First => given,
            Names::Full => format!("{given} {name}").trim().to_owned(),
            Names::Hidden => String::new(),
        };
        if label.is_empty() { format!("Agent {}", place + 1) } else { label }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_label_has_an_address() {
        let label = |names: Names, first: Option<&str>, name: &str| names.label(first, name, 2);
        for (first, name, expected) in [
            (Some("Ada"), "Byron", ["Ada", "Ada Byron"]),
            (Some(" Mary  Ann "), "Lee", ["Mary Ann", "Mary Ann Lee"]),
            (None, "Grace Hopper", ["Grace", "Grace Hopper"]),
            (Some(" "), "Grace Hopper", ["Grace", "Grace Hopper"]),
            (None, "grace@example.com", ["Agent 3", "Agent 3"]),
            (None, "<g@example.com> Grace Hopper", ["Grace", "Grace Hopper"]),
            (Some("a@example.com"), "Byron", ["Byron", "Byron"]),
            (Some("Ada"), "a@example.com", ["Ada", "Ada"]),
        ] {
            assert_eq!(
                [Names::First, Names::Full].map(|names| label(names, first, name)),
                expected,
                "{first:?} {name}"
            );
            assert_eq!(label(Names::Hidden, first, name), "Agent 3");
        }
    }
}

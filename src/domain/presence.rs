//! What a person chose to be.

use serde::{Deserialize, Serialize};

/// The category a person chose. Logged out is never chosen: it is having no session (EVENTS.md, "Directory").
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Category {
    /// Takes new work.
    #[default]
    Ready,
    /// A short break.
    Away,
    /// A meeting, lunch.
    ExtendedAway,
}

/// The category of a presence definition, which may also be logged out (CONTRACTS.md 5.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DefinitionCategory {
    /// As [`Category::Ready`].
    Ready,
    /// As [`Category::Away`].
    Away,
    /// As [`Category::ExtendedAway`].
    ExtendedAway,
    /// Cannot be chosen.
    LoggedOut,
}

impl DefinitionCategory {
    /// The category a person is in who chose such a definition; `None` for logged out.
    pub const fn chosen(self) -> Option<Category> {
        match self {
            DefinitionCategory::Ready => Some(Category::Ready),
            DefinitionCategory::Away => Some(Category::Away),
            DefinitionCategory::ExtendedAway => Some(Category::ExtendedAway),
            DefinitionCategory::LoggedOut => None,
        }
    }
}

//! What a person chose to be.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

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
    /// All four.
    pub const ALL: [DefinitionCategory; 4] = [
        DefinitionCategory::Ready,
        DefinitionCategory::Away,
        DefinitionCategory::ExtendedAway,
        DefinitionCategory::LoggedOut,
    ];

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

impl From<Category> for DefinitionCategory {
    fn from(category: Category) -> Self {
        match category {
            Category::Ready => DefinitionCategory::Ready,
            Category::Away => DefinitionCategory::Away,
            Category::ExtendedAway => DefinitionCategory::ExtendedAway,
        }
    }
}

/// What a person may be in the words of their tenant: several definitions may share a category.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Definition {
    /// GUID identity.
    pub guid: Uuid,
    /// What choosing it means.
    pub category: DefinitionCategory,
    /// What it is called.
    pub description: String,
    /// Whether a person may choose it.
    pub selectable: bool,
    /// Every tenant has it; it is not in the directory.
    pub is_built_in: bool,
}

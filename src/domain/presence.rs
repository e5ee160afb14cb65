//! Presences: the categories and definitions that a user can choose.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The category a user chose. Logged out cannot be chosen: it means having no session
/// (docs/reference/native.md, "Directory").
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Category {
    /// Takes new conversations.
    #[default]
    Ready,
    /// Absent for a short break.
    Away,
    /// Absent for longer, such as a meeting or lunch.
    ExtendedAway,
}

/// The category of a presence definition. Unlike a chosen one it can be logged out
/// (docs/reference/vonage.md, "Agents' presences").
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DefinitionCategory {
    /// Corresponds to [`Category::Ready`].
    Ready,
    /// Corresponds to [`Category::Away`].
    Away,
    /// Corresponds to [`Category::ExtendedAway`].
    ExtendedAway,
    /// The presence of a user without a session; cannot be chosen.
    LoggedOut,
}

impl DefinitionCategory {
    /// All categories, in declaration order.
    pub const ALL: [DefinitionCategory; 4] = [
        DefinitionCategory::Ready,
        DefinitionCategory::Away,
        DefinitionCategory::ExtendedAway,
        DefinitionCategory::LoggedOut,
    ];

    /// The name in rows of the breakdown and of wallboards.
    pub const fn name(self) -> &'static str {
        match self {
            DefinitionCategory::Ready => "ready",
            DefinitionCategory::Away => "away",
            DefinitionCategory::ExtendedAway => "extended_away",
            DefinitionCategory::LoggedOut => "logged_out",
        }
    }

    /// The category of a user after choosing a definition of this category; `None` for logged out.
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

/// A presence defined by a tenant. Several definitions may share a category.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Definition {
    /// GUID by which events and APIs refer to it.
    pub guid: Uuid,
    /// Category that a user choosing it is in.
    pub category: DefinitionCategory,
    /// Text shown for it.
    pub description: String,
    /// True if users may choose it.
    pub selectable: bool,
    /// True if users who chose it can be given work: of the category ready, and not excepted by the tenant.
    pub routable: bool,
    /// True if every tenant has it without an entry in the directory.
    pub is_built_in: bool,
}

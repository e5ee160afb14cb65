//! `/group` and `/skill` (CONTRACTS.md 3.6), which differ in their name and in two fields.

pub mod get;
pub mod list;
pub mod row;

use crate::domain::filter::Dimension;

/// One of the two resources.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resource {
    /// `/group`.
    Group,
    /// `/skill`.
    Skill,
}

impl Resource {
    const fn name(self) -> &'static str {
        match self {
            Resource::Group => "group",
            Resource::Skill => "skill",
        }
    }

    const fn dimension(self) -> Dimension {
        match self {
            Resource::Group => Dimension::Group,
            Resource::Skill => Dimension::Skill,
        }
    }
}

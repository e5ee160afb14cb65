//! Which users a question is about: OR inside a clause, AND across clauses (CONTRACTS.md 1.3).

use super::ids::EntityRef;
use super::role::Role;
use super::status::Status;

/// Values one clause may list.
pub const MAX_VALUES: usize = 500;

/// A property users are grouped by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Dimension {
    /// Groups, the primary one included.
    Group,
    /// Skills.
    Skill,
    /// Projects.
    Project,
    /// Routing groups.
    RoutingGroup,
    /// Queues.
    Queue,
    /// Campaigns.
    Campaign,
}

impl Dimension {
    /// Every dimension.
    pub const ALL: [Dimension; 6] = [
        Dimension::Group,
        Dimension::Skill,
        Dimension::Project,
        Dimension::RoutingGroup,
        Dimension::Queue,
        Dimension::Campaign,
    ];
}

/// One value of a dimension, as a caller names it. One that nobody has matches nobody; it is not an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// By id or GUID.
    Entity(EntityRef),
    /// By name, compared trimmed and without regard to case.
    Name(String),
}

/// A text that users are found by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextField {
    /// Name; `*` stands for any characters, and case does not matter.
    Name,
    /// The customer's own id, exactly.
    ExternalId,
    /// E-mail address; case does not matter.
    Email,
}

/// One restriction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Clause {
    /// Has at least one of the values.
    Any(Dimension, Vec<Value>),
    /// Has every one of the values.
    All(Dimension, Vec<Value>),
    /// Is one of these users.
    Users(Vec<EntityRef>),
    /// A text of theirs is as given.
    Text(TextField, String),
    /// Has at least one of the roles.
    Roles(Vec<Role>),
    /// Status on chat is one of these.
    Chat(Vec<Status>),
    /// Status over all channels is one of these: available if any channel is, else busy if any is, else toggled off.
    Overall(Vec<Status>),
}

impl Clause {
    const fn is_empty(&self) -> bool {
        match self {
            Clause::Any(_, values) | Clause::All(_, values) => values.is_empty(),
            Clause::Users(users) => users.is_empty(),
            Clause::Text(_, text) => text.is_empty(),
            Clause::Roles(roles) => roles.is_empty(),
            Clause::Chat(statuses) | Clause::Overall(statuses) => statuses.is_empty(),
        }
    }
}

/// Which users a question is about. Without clauses: all of the tenant's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    clauses: Vec<Clause>,
}

impl Filter {
    /// Restricts further. A clause without values is no restriction.
    #[must_use]
    pub fn and(mut self, clause: Clause) -> Self {
        if !clause.is_empty() {
            self.clauses.push(clause);
        }
        self
    }

    /// The restrictions, all of which hold.
    pub fn clauses(&self) -> &[Clause] {
        &self.clauses
    }
}

/// Whether `text` is of the form `pattern`, in which `*` stands for any characters; without regard to case.
pub fn is_like(text: &str, pattern: &str) -> bool {
    let (text, pattern) = (text.to_lowercase(), pattern.to_lowercase());
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    // Each part at its first place leaves the most room for those that follow.
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_anything() {
        for (pattern, matches) in [
            ("julie", true),
            ("*uli*", true),
            ("J*e", true),
            ("*", true),
            ("jul", false),
            ("*l*l*", false),
            ("j*ie*e", false),
        ] {
            assert_eq!(is_like("Julie", pattern), matches, "{pattern}");
        }
    }

    #[test]
    fn a_clause_without_values_restricts_nothing() {
        assert_eq!(Filter::default().and(Clause::Users(vec![])), Filter::default());
    }
}

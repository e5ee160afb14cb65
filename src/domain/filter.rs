//! Filters over users: OR inside a clause, AND across clauses (docs/reference/native.md, "Ids and filters").

use super::ids::EntityRef;
use super::role::Role;
use super::status::Status;

/// Maximum number of values in one clause.
pub const MAX_VALUES: usize = 500;

/// Maximum number of values in a [`Clause::Text`]: a name is compared with the name of every user.
pub const MAX_TEXTS: usize = 20;

/// A property users are grouped by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Dimension {
    /// Groups, including the primary group.
    Group,
    /// Skills assigned in the directory.
    Skill,
    /// Projects, the vendor's web sites.
    Project,
    /// Routing groups, the targets of routing rules.
    RoutingGroup,
    /// Queues assigned in the directory.
    Queue,
    /// Campaigns assigned in the directory.
    Campaign,
}

impl Dimension {
    /// All dimensions, in declaration order.
    pub const ALL: [Dimension; 6] = [
        Dimension::Group,
        Dimension::Skill,
        Dimension::Project,
        Dimension::RoutingGroup,
        Dimension::Queue,
        Dimension::Campaign,
    ];
}

/// One value of a dimension, as a caller names it. An unknown value matches no user; it is not an error.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Value {
    /// By integer id or GUID.
    Entity(EntityRef),
    /// By name; compared without surrounding white space and case.
    Name(String),
}

/// A text member of a user that can be searched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TextField {
    /// Name; `*` matches any characters, case-insensitive.
    Name,
    /// The customer's own id; exact match.
    ExternalId,
    /// E-mail address; case-insensitive match.
    Email,
}

/// One restriction of a [`Filter`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Clause {
    /// The user has at least one of the values.
    Any(Dimension, Vec<Value>),
    /// The user has every one of the values.
    All(Dimension, Vec<Value>),
    /// The user is one of these.
    Users(Vec<EntityRef>),
    /// The user's text matches at least one of the given ones by the rule of its [`TextField`].
    Text(TextField, Vec<String>),
    /// The user has at least one of the roles.
    Roles(Vec<Role>),
    /// The user's status on chat is one of these.
    Chat(Vec<Status>),
    /// The user's status over all channels is one of these: available if any channel is, else busy if any is, else
    /// toggled off.
    Overall(Vec<Status>),
}

impl Clause {
    const fn is_empty(&self) -> bool {
        match self {
            Clause::Any(_, values) | Clause::All(_, values) => values.is_empty(),
            Clause::Users(users) => users.is_empty(),
            Clause::Text(_, texts) => texts.is_empty(),
            Clause::Roles(roles) => roles.is_empty(),
            Clause::Chat(statuses) | Clause::Overall(statuses) => statuses.is_empty(),
        }
    }
}

/// A conjunction of clauses that selects users of one tenant. Without clauses it selects all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Filter {
    clauses: Vec<Clause>,
}

impl Filter {
    /// Adds a clause. A clause without values is dropped: it restricts nothing.
    #[must_use]
    pub fn and(mut self, clause: Clause) -> Self {
        if !clause.is_empty() {
            self.clauses.push(clause);
        }
        self
    }

    /// The clauses, all of which a selected user satisfies.
    pub fn clauses(&self) -> &[Clause] {
        &self.clauses
    }
}

/// Returns true if `text` matches `pattern`, in which `*` matches any characters. Both are in lower case.
pub fn is_like(text: &str, pattern: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    // Without a star there is no last part, and nothing may remain.
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    // Greedy: matching each part at its first occurrence leaves the longest remainder for the parts after it, so
    // backtracking is never needed.
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
    fn a_star_matches_any_characters() {
        for (pattern, matches) in [
            ("julie", true),
            ("*uli*", true),
            ("j*e", true),
            ("*", true),
            ("jul", false),
            ("*l*l*", false),
            ("j*ie*e", false),
        ] {
            assert_eq!(is_like("julie", pattern), matches, "{pattern}");
        }
    }

    #[test]
    fn clauses_without_values_are_dropped() {
        assert_eq!(Filter::default().and(Clause::Users(vec![])), Filter::default());
    }
}

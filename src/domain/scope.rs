//! What a key may do.

use serde::{Deserialize, Serialize};

/// One right of a key (EVENTS.md, "Tenants and keys").
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Scope {
    /// Post desk events.
    #[serde(rename = "events:write")]
    EventsWrite,
    /// Change the directory.
    #[serde(rename = "directory:write")]
    DirectoryWrite,
    /// Read the directory.
    #[serde(rename = "directory:read")]
    DirectoryRead,
    /// Read operators and their live availability.
    #[serde(rename = "operators:read")]
    OperatorsRead,
    /// Change operators and their live availability.
    #[serde(rename = "operators:write")]
    OperatorsWrite,
    /// Read presences.
    #[serde(rename = "users:read")]
    UsersRead,
    /// Change presences.
    #[serde(rename = "users:write")]
    UsersWrite,
    /// Convoso's counts.
    #[serde(rename = "user-activity:read")]
    UserActivityRead,
    /// Vonage's summaries.
    #[serde(rename = "agents-availability:read")]
    AgentsAvailabilityRead,
    /// GraphQL queries.
    #[serde(rename = "graphql:read")]
    GraphqlRead,
    /// GraphQL mutations.
    #[serde(rename = "graphql:write")]
    GraphqlWrite,
    /// Everything.
    #[serde(rename = "*")]
    All,
}

/// A set of scopes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scopes(u16);

impl Scopes {
    /// Whether the set grants `scope`, by name or by `*`.
    pub const fn allow(self, scope: Scope) -> bool {
        self.0 & (1 << scope as u16 | 1 << Scope::All as u16) != 0
    }
}

impl FromIterator<Scope> for Scopes {
    /// Who may change presences may read them as well, as the vendor has it (CONTRACTS.md 5.4).
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        let named = scopes.into_iter().fold(0, |set, scope| set | 1 << scope as u16);
        let implied = if named & 1 << Scope::UsersWrite as u16 != 0 { 1 << Scope::UsersRead as u16 } else { 0 };
        Scopes(named | implied)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_grants_everything_and_a_name_only_itself() {
        let one: Scopes = [Scope::EventsWrite].into_iter().collect();
        assert!(one.allow(Scope::EventsWrite) && !one.allow(Scope::GraphqlRead));
        let all: Scopes = [Scope::All].into_iter().collect();
        assert!(all.allow(Scope::GraphqlWrite));
    }

    #[test]
    fn whoever_changes_presences_reads_them() {
        let write: Scopes = [Scope::UsersWrite].into_iter().collect();
        assert!(write.allow(Scope::UsersRead) && write.allow(Scope::UsersWrite) && !write.allow(Scope::OperatorsRead));
        let read: Scopes = [Scope::UsersRead].into_iter().collect();
        assert!(!read.allow(Scope::UsersWrite));
    }
}

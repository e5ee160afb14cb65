//! Scopes: the permissions of keys, tokens and logged-in users.

use serde::de::IntoDeserializer;
use serde::de::value::{Error, StrDeserializer};
use serde::{Deserialize, Serialize};

use super::role::{Role, Roles};

/// One permission of a key (docs/reference/native.md, "Keys and scopes").
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Scope {
    /// Post events and connect desks.
    #[serde(rename = "events:write")]
    EventsWrite,
    /// Change the directory through the native API.
    #[serde(rename = "directory:write")]
    DirectoryWrite,
    /// Read the directory through the native API.
    #[serde(rename = "directory:read")]
    DirectoryRead,
    /// Read operators and their live availability.
    #[serde(rename = "operators:read")]
    OperatorsRead,
    /// Change operators and their live availability.
    #[serde(rename = "operators:write")]
    OperatorsWrite,
    /// Set passwords, change the roles of accounts that have one, list and end log-ins.
    #[serde(rename = "operators:passwords")]
    OperatorsPasswords,
    /// Read users' presences.
    #[serde(rename = "users:read")]
    UsersRead,
    /// Change users' presences; implies [`Scope::UsersRead`].
    #[serde(rename = "users:write")]
    UsersWrite,
    /// Read Convoso's counts of users' activity.
    #[serde(rename = "user-activity:read")]
    UserActivityRead,
    /// Read Vonage's summaries of agents' availability.
    #[serde(rename = "agents-availability:read")]
    AgentsAvailabilityRead,
    /// Run GraphQL queries.
    #[serde(rename = "graphql:read")]
    GraphqlRead,
    /// Run GraphQL mutations.
    #[serde(rename = "graphql:write")]
    GraphqlWrite,
    /// Read wallboards and list their links.
    #[serde(rename = "wallboards:read")]
    WallboardsRead,
    /// Change wallboards, make and revoke their links.
    #[serde(rename = "wallboards:write")]
    WallboardsWrite,
    /// Grants every other scope.
    #[serde(rename = "*")]
    All,
}

impl Scope {
    /// All scopes, in declaration order.
    pub const ALL: [Scope; 15] = [
        Scope::EventsWrite,
        Scope::DirectoryWrite,
        Scope::DirectoryRead,
        Scope::OperatorsRead,
        Scope::OperatorsWrite,
        Scope::OperatorsPasswords,
        Scope::UsersRead,
        Scope::UsersWrite,
        Scope::UserActivityRead,
        Scope::AgentsAvailabilityRead,
        Scope::GraphqlRead,
        Scope::GraphqlWrite,
        Scope::WallboardsRead,
        Scope::WallboardsWrite,
        Scope::All,
    ];

    /// Parses a scope from its name on the wire, such as `events:write`.
    pub fn named(name: &str) -> Option<Self> {
        let name: StrDeserializer<'_, Error> = name.into_deserializer();
        Scope::deserialize(name).ok()
    }

    /// The scopes of a user logged in with a password: read scopes, write scopes for managers and admins, and the scope
    /// of passwords for admins.
    pub fn of_user(roles: Roles) -> Vec<Scope> {
        let mut scopes = vec![Scope::OperatorsRead, Scope::GraphqlRead];
        if roles.contains(Role::Manager) || roles.contains(Role::Admin) {
            scopes.extend([Scope::OperatorsWrite, Scope::GraphqlWrite]);
        }
        if roles.contains(Role::Admin) {
            scopes.push(Scope::OperatorsPasswords);
        }
        scopes
    }
}

/// A set of scopes, as a bit mask.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Scopes(u16);

impl Scopes {
    /// Returns true if the set grants `scope`, by name or by `*`.
    pub const fn allow(self, scope: Scope) -> bool {
        self.0 & (1 << scope as u16 | 1 << Scope::All as u16) != 0
    }

    /// Iterates over the scopes in the set. `*` is listed as itself, not expanded.
    pub fn iter(self) -> impl Iterator<Item = Scope> {
        Scope::ALL.into_iter().filter(move |scope| self.0 & (1 << *scope as u16) != 0)
    }

    /// The intersection of both sets. `*` is not expanded: it is in the result only if it is in both.
    pub const fn within(self, other: Scopes) -> Scopes {
        Scopes(self.0 & other.0)
    }

    /// The scopes of the set that `granting` allows, by name or by `*`.
    pub const fn granted_by(self, granting: Scopes) -> Scopes {
        if granting.allow(Scope::All) { self } else { self.within(granting) }
    }

    /// The roles that allow nothing but what the set allows.
    pub fn grantable_roles(self) -> Roles {
        let is_grantable = |role: &Role| {
            let scopes = Scope::of_user(Roles::from_iter([*role]));
            scopes.into_iter().all(|scope| self.allow(scope))
        };
        Role::ALL.into_iter().filter(is_grantable).collect()
    }
}

impl FromIterator<Scope> for Scopes {
    /// Builds a set. `users:write` adds `users:read`, as in the vendor's API
    /// (docs/reference/native.md, "Keys and scopes").
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
    fn a_star_grants_every_scope() {
        let one: Scopes = [Scope::EventsWrite].into_iter().collect();
        assert!(one.allow(Scope::EventsWrite) && !one.allow(Scope::GraphqlRead));
        let all: Scopes = [Scope::All].into_iter().collect();
        assert!(all.allow(Scope::GraphqlWrite));
    }

    #[test]
    fn every_scope_is_found_by_its_name() {
        for (n, scope) in Scope::ALL.into_iter().enumerate() {
            assert_eq!(scope as usize, n);
            let name = serde_json::to_value(scope).unwrap();
            assert_eq!(Scope::named(name.as_str().unwrap()), Some(scope));
        }
        assert_eq!(Scope::named("OperatorsRead"), None);
        let all: Scopes = Scope::ALL.into_iter().collect();
        assert!(all.iter().eq(Scope::ALL));
    }

    #[test]
    fn only_managers_and_admins_get_write_scopes() {
        let may = |role, scope| Scope::of_user([role].into_iter().collect()).contains(&scope);
        for role in Role::ALL {
            assert!(may(role, Scope::OperatorsRead) && may(role, Scope::GraphqlRead) && !may(role, Scope::All));
            let manages = matches!(role, Role::Manager | Role::Admin);
            assert_eq!((may(role, Scope::OperatorsWrite), may(role, Scope::GraphqlWrite)), (manages, manages));
            assert_eq!(may(role, Scope::OperatorsPasswords), role == Role::Admin);
        }
    }

    #[test]
    fn a_role_is_grantable_with_every_scope_of_its_log_in() {
        let roles = |scopes: &[Scope]| scopes.iter().copied().collect::<Scopes>().grantable_roles();
        let readers: Roles = [Role::Operator, Role::Expert, Role::Bot].into_iter().collect();
        let of = |role: Role| Scope::of_user([role].into_iter().collect());
        assert_eq!(roles(&[Scope::OperatorsRead, Scope::OperatorsPasswords]), Roles::default());
        assert_eq!(roles(&of(Role::Operator)), readers);
        assert_eq!(roles(&of(Role::Manager)), readers.iter().chain([Role::Manager]).collect());
        assert_eq!((roles(&of(Role::Admin)), roles(&[Scope::All])), (Roles::ALL, Roles::ALL));
    }

    #[test]
    fn a_star_grants_what_is_wanted_and_nothing_more() {
        let set = |scopes: &[Scope]| scopes.iter().copied().collect::<Scopes>();
        let wanted = set(&[Scope::OperatorsRead, Scope::OperatorsWrite]);
        assert_eq!(wanted.granted_by(set(&[Scope::All])), wanted);
        assert_eq!(wanted.granted_by(set(&[Scope::OperatorsRead, Scope::UsersRead])), set(&[Scope::OperatorsRead]));
    }

    #[test]
    fn within_is_the_intersection() {
        let one: Scopes = [Scope::OperatorsRead, Scope::OperatorsWrite].into_iter().collect();
        let other: Scopes = [Scope::OperatorsRead, Scope::GraphqlRead].into_iter().collect();
        assert_eq!(one.within(other), [Scope::OperatorsRead].into_iter().collect());
    }

    #[test]
    fn users_write_implies_users_read() {
        let write: Scopes = [Scope::UsersWrite].into_iter().collect();
        assert!(write.allow(Scope::UsersRead) && write.allow(Scope::UsersWrite) && !write.allow(Scope::OperatorsRead));
        let read: Scopes = [Scope::UsersRead].into_iter().collect();
        assert!(!read.allow(Scope::UsersWrite));
    }
}

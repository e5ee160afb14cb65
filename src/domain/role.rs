//! Roles of users in the vendor's administration.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A role, in ascending order of rights where the vendor orders them (CONTRACTS.md 3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Answers visitors' conversations.
    Operator,
    /// Supervises operators.
    Manager,
    /// Administers the account.
    Admin,
    /// An external expert, in the vendor's sense.
    Expert,
    /// A program instead of a person.
    Bot,
}

impl Role {
    /// All roles, in declaration order.
    pub const ALL: [Role; 5] = [Role::Operator, Role::Manager, Role::Admin, Role::Expert, Role::Bot];
}

/// A set of roles, as a bit mask.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Roles(u8);

impl Roles {
    /// Returns true if the set contains `role`.
    pub const fn contains(self, role: Role) -> bool {
        self.0 & (1 << role as u8) != 0
    }

    /// Iterates over the roles in the set, in the order of [`Role::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Role> {
        Role::ALL.into_iter().filter(move |role| self.contains(*role))
    }
}

impl FromIterator<Role> for Roles {
    fn from_iter<I: IntoIterator<Item = Role>>(roles: I) -> Self {
        Roles(roles.into_iter().fold(0, |set, role| set | 1 << role as u8))
    }
}

impl Serialize for Roles {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl<'de> Deserialize<'de> for Roles {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Vec::<Role>::deserialize(deserializer)?.into_iter().collect())
    }
}

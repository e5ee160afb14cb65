//! Roles of users in the vendor's administration.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A role, in ascending order of rights where the vendor orders them (docs/reference/iadvize-rest.md, "Operators").
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

    /// The role's name, in lower case.
    pub const fn name(self) -> &'static str {
        match self {
            Role::Operator => "operator",
            Role::Manager => "manager",
            Role::Admin => "admin",
            Role::Expert => "expert",
            Role::Bot => "bot",
        }
    }
}

/// A set of roles, as a bit mask.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Roles(u8);

impl Roles {
    /// Every role.
    pub const ALL: Roles = Roles((1 << Role::ALL.len()) - 1);

    /// Returns true if the set has no role.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Returns true if `other` contains every role of the set.
    pub const fn is_within(self, other: Roles) -> bool {
        self.without(other).0 == 0
    }

    /// The roles of the set that are not in `other`.
    pub const fn without(self, other: Roles) -> Roles {
        Roles(self.0 & !other.0)
    }

    /// Returns true if the set contains `role`.
    pub const fn contains(self, role: Role) -> bool {
        self.0 & (1 << role as u8) != 0
    }

    /// Returns the highest of the three roles that the vendor ranks: admin, manager, operator. `None` for mere experts
    /// and bots.
    pub fn highest(self) -> Option<Role> {
        [Role::Admin, Role::Manager, Role::Operator].into_iter().find(|role| self.contains(*role))
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

/// The roles that a change of users may give, by the rights of its sender (docs/decisions/0070-rights-to-passwords.md).
/// It is part of the journalled event, since only its order among the others decides which account has a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoleGrant {
    /// The roles that an account with a password may be given. `None` if its roles must stay as they are.
    pub with_password: Option<Roles>,
    /// The roles that an account without a password may be given.
    pub without_password: Roles,
}

impl Default for RoleGrant {
    /// Returns a grant of everything: that of the service itself, and of entries that older releases wrote.
    fn default() -> Self {
        RoleGrant { with_password: Some(Roles::ALL), without_password: Roles::ALL }
    }
}

impl RoleGrant {
    /// Returns true if it restricts nothing.
    pub fn is_unlimited(&self) -> bool {
        *self == RoleGrant::default()
    }

    /// Returns true if an account's roles may become `after`. Roles that it had before are not given.
    pub fn allows(self, has_password: bool, before: Roles, after: Roles) -> bool {
        let grantable = if has_password { self.with_password } else { Some(self.without_password) };
        before == after || grantable.is_some_and(|grantable| after.without(before).is_within(grantable))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grant_is_about_roles_that_are_gained() {
        let roles = |roles: &[Role]| roles.iter().copied().collect::<Roles>();
        let (none, operator, manager, admin) =
            (Roles::default(), roles(&[Role::Operator]), roles(&[Role::Manager]), roles(&[Role::Admin]));
        let grant = RoleGrant { with_password: None, without_password: operator };
        assert!(grant.allows(true, admin, admin) && grant.allows(false, admin, admin));
        assert!(!grant.allows(true, admin, operator) && !grant.allows(true, none, operator));
        assert!(grant.allows(false, none, operator) && grant.allows(false, admin, operator));
        assert!(
            !grant.allows(false, none, manager) && !grant.allows(false, operator, roles(&[Role::Operator, Role::Bot]))
        );
        let grant = RoleGrant { with_password: Some(manager), ..grant };
        assert!(grant.allows(true, admin, none) && grant.allows(true, admin, roles(&[Role::Admin, Role::Manager])));
        assert!(!grant.allows(true, manager, admin) && RoleGrant::default().allows(true, none, Roles::ALL));
    }
}

//! Professionals: the fields of every user, and those of people whom the account employs.

use std::ops::Deref;

use async_graphql::{MergedObject, Object, SimpleObject};

use super::account::{AProfessional, Account};
use super::channels::ChannelConfiguration;
use crate::domain::Role;
use crate::http::graphql::object::reference::UserGroup;
use crate::http::graphql::scalar::DateTime;
use crate::query::people::users::Member;

/// A user who is neither an expert nor a bot.
#[derive(MergedObject)]
pub struct Professional(Account<AProfessional>, Employment);

impl Professional {
    /// Wraps a user.
    pub fn new(member: Member) -> Self {
        Professional(Account::new(member.clone()), Employment(member))
    }
}

/// Gives the interface, which names the fields of all users, the part that has them.
impl Deref for Professional {
    type Target = Account<AProfessional>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

/// The fields that only professionals have.
pub struct Employment(Member);

#[Object]
impl Employment {
    /// The primary group. Null if the user has none.
    async fn group(&self) -> Option<UserGroup> {
        self.0.primary_group().map(UserGroup)
    }

    /// The highest of the user's roles as a professional: admin, manager or operator. Null if the user has none of them.
    async fn role(&self) -> Option<ProfessionalRoleWithPermissions> {
        self.highest().map(|name| ProfessionalRoleWithPermissions { name })
    }

    /// The name of the role: `admin`, `manager` or `operator`.
    #[graphql(deprecation = "Deprecated by the vendor; use role.")]
    async fn role_name(&self) -> Option<&str> {
        self.highest()
    }

    /// Time at which the user last connected, with a desk or the administration. Null if that never happened, and for a
    /// deleted user.
    async fn last_logged_at(&self) -> Option<DateTime> {
        self.0.logged_in().map(DateTime)
    }

    /// The settings of the user's channels. Null for a deleted user of whom only the id is left.
    async fn channels(&self) -> Option<ChannelConfiguration> {
        self.0.profile().map(ChannelConfiguration::of)
    }
}

impl Employment {
    fn highest(&self) -> Option<&'static str> {
        self.0.profile()?.roles.highest().map(Role::name)
    }
}

/// A role of a professional. The permissions of roles are not known here.
#[derive(SimpleObject)]
pub struct ProfessionalRoleWithPermissions {
    /// The role's name: `admin`, `manager` or `operator`.
    name: &'static str,
}

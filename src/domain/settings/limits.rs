//! What a tenant may keep: quotas that apply decides by, so that every replay of the journal decides alike.
//!
//! The defaults and the fixed numbers are constants of the apply version: a change of one raises `APPLY_VERSION`.
//! `docs/decisions/0034-quotas.md` has the table and the reasons.

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use crate::domain::directory::Problem;

/// Socket sessions that one user may have open.
pub const SOCKETS_PER_USER: u32 = 16;
/// Users whose takes, and users whose releases, are remembered of one conversation.
pub const USERS_PER_CONVERSATION: u32 = 256;
/// Ended sessions of one user that are remembered.
pub const ENDED_SESSIONS_PER_USER: usize = 256;

/// Something that a tenant may keep a number of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quota {
    /// Users, with deleted ones that are still remembered.
    Users,
    /// Open sessions of all users.
    Sessions,
    /// Open sessions of one user that came by `/v1/events`.
    SessionsPerUser,
    /// Conversations held by all users.
    Slots,
    /// Conversations held by one user, on all channels.
    SlotsPerUser,
    /// Conversations with a history: open ones, and others until they are forgotten.
    Conversations,
    /// Things that ended and are remembered.
    Tombstones,
}

impl Quota {
    /// Every quota.
    pub const ALL: [Quota; 7] = [
        Quota::Users,
        Quota::Sessions,
        Quota::SessionsPerUser,
        Quota::Slots,
        Quota::SlotsPerUser,
        Quota::Conversations,
        Quota::Tombstones,
    ];

    /// The name on the wire and in reasons.
    pub const fn name(self) -> &'static str {
        match self {
            Quota::Users => "users",
            Quota::Sessions => "sessions",
            Quota::SessionsPerUser => "sessions_per_user",
            Quota::Slots => "slots",
            Quota::SlotsPerUser => "slots_per_user",
            Quota::Conversations => "conversations",
            Quota::Tombstones => "tombstones",
        }
    }

    /// The number before the first `limits.set`.
    pub const fn default_limit(self) -> u32 {
        match self {
            Quota::Users | Quota::Sessions => 2_000_000,
            Quota::SessionsPerUser => 100,
            Quota::Slots | Quota::Conversations | Quota::Tombstones => 1_000_000,
            Quota::SlotsPerUser => 1_000,
        }
    }

    /// The numbers that may be set. What one apply walks through is bounded by the two per user.
    pub const fn range(self) -> RangeInclusive<u32> {
        match self {
            Quota::SessionsPerUser | Quota::SlotsPerUser => 1..=4_000,
            _ => 1..=10_000_000,
        }
    }
}

/// The quotas that were set for a tenant. An absent one has its default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Quotas {
    /// [`Quota::Users`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub users: Option<u32>,
    /// [`Quota::Sessions`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sessions: Option<u32>,
    /// [`Quota::SessionsPerUser`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sessions_per_user: Option<u32>,
    /// [`Quota::Slots`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slots: Option<u32>,
    /// [`Quota::SlotsPerUser`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slots_per_user: Option<u32>,
    /// [`Quota::Conversations`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conversations: Option<u32>,
    /// [`Quota::Tombstones`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tombstones: Option<u32>,
}

impl Quotas {
    const fn given(&self, quota: Quota) -> Option<u32> {
        match quota {
            Quota::Users => self.users,
            Quota::Sessions => self.sessions,
            Quota::SessionsPerUser => self.sessions_per_user,
            Quota::Slots => self.slots,
            Quota::SlotsPerUser => self.slots_per_user,
            Quota::Conversations => self.conversations,
            Quota::Tombstones => self.tombstones,
        }
    }

    /// The number in force.
    pub fn limit(&self, quota: Quota) -> u32 {
        self.given(quota).unwrap_or(quota.default_limit())
    }

    /// Every number in force, as an answer shows them.
    #[must_use]
    pub fn in_force(&self) -> Self {
        let limit = |quota| Some(self.limit(quota));
        Quotas {
            users: limit(Quota::Users),
            sessions: limit(Quota::Sessions),
            sessions_per_user: limit(Quota::SessionsPerUser),
            slots: limit(Quota::Slots),
            slots_per_user: limit(Quota::SlotsPerUser),
            conversations: limit(Quota::Conversations),
            tombstones: limit(Quota::Tombstones),
        }
    }

    /// The numbers that are out of range, each by its member.
    pub fn check(&self) -> Vec<Problem> {
        let is_bad = |quota: &Quota| self.given(*quota).is_some_and(|limit| !quota.range().contains(&limit));
        let problem = |quota: Quota| Problem {
            pointer: format!("/{}", quota.name()),
            detail: format!("must be from {} to {}", quota.range().start(), quota.range().end()),
        };
        Quota::ALL.into_iter().filter(is_bad).map(problem).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_default_is_in_range_and_each_name_is_a_member() {
        let all = serde_json::to_value(Quotas::default().in_force()).unwrap();
        for quota in Quota::ALL {
            assert!(quota.range().contains(&quota.default_limit()), "{quota:?}");
            assert_eq!(all[quota.name()], quota.default_limit(), "{quota:?}");
        }
    }

    #[test]
    fn numbers_out_of_range_are_named() {
        let read = |json: &str| serde_json::from_str::<Quotas>(json);
        let limits = read(r#"{"users":0,"slots_per_user":4001,"sessions":null,"tombstones":5}"#).unwrap();
        let pointers: Vec<_> = limits.check().into_iter().map(|problem| problem.pointer).collect();
        assert_eq!(pointers, ["/users", "/slots_per_user"]);
        assert_eq!((limits.limit(Quota::Sessions), limits.limit(Quota::Tombstones)), (2_000_000, 5));
        assert!(read(r#"{"user":1}"#).is_err());
    }
}

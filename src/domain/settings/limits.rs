//! Quotas on a tenant's state. They are part of the state and checked when an event is applied, so that every replay of
//! the journal gives the same outcomes.
//!
//! The defaults and the fixed numbers belong to the apply version: changing one requires a higher `APPLY_VERSION`.
//! `docs/decisions/0034-quotas.md` has the table and the reasons.

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use crate::domain::directory::Problem;

/// Maximum number of open WebSocket sessions per user.
pub const SOCKETS_PER_USER: u32 = 16;
/// Maximum number of users per conversation that are remembered as takers, and again as releasers. No take and no
/// release is rejected because of it.
pub const USERS_PER_CONVERSATION: usize = 256;
/// Maximum number of conversations in one `slots.synced`.
pub const SYNC_CONVERSATIONS: usize = 1_000;
/// Maximum number of remembered ended sessions per user.
pub const ENDED_SESSIONS_PER_USER: usize = 256;

/// A kind of object that is limited in number, per tenant or per user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quota {
    /// Users, including deleted ones that are still remembered.
    Users,
    /// Entities of reference data of all kinds; they are never deleted.
    Entities,
    /// Open sessions of all users together.
    Sessions,
    /// Open sessions of one user that were opened by `/v1/events`, that is, not by a WebSocket.
    SessionsPerUser,
    /// Conversations held by all users together.
    Slots,
    /// Conversations held by one user, over all channels.
    SlotsPerUser,
    /// Conversations with a history in the state: open ones, and closed ones until they are dropped.
    Conversations,
    /// Tombstones: ended sessions, slots and conversations, and deleted users, that are still remembered.
    Tombstones,
}

impl Quota {
    /// All quotas, in declaration order.
    pub const ALL: [Quota; 8] = [
        Quota::Users,
        Quota::Entities,
        Quota::Sessions,
        Quota::SessionsPerUser,
        Quota::Slots,
        Quota::SlotsPerUser,
        Quota::Conversations,
        Quota::Tombstones,
    ];

    /// The name on the wire and in rejection reasons.
    pub const fn name(self) -> &'static str {
        match self {
            Quota::Users => "users",
            Quota::Entities => "entities",
            Quota::Sessions => "sessions",
            Quota::SessionsPerUser => "sessions_per_user",
            Quota::Slots => "slots",
            Quota::SlotsPerUser => "slots_per_user",
            Quota::Conversations => "conversations",
            Quota::Tombstones => "tombstones",
        }
    }

    /// The limit in force unless `limits.set` gives another.
    pub const fn default_limit(self) -> u32 {
        match self {
            Quota::Users | Quota::Sessions => 2_000_000,
            Quota::Entities => 100_000,
            Quota::SessionsPerUser => 100,
            Quota::Slots | Quota::Conversations | Quota::Tombstones => 1_000_000,
            Quota::SlotsPerUser => SYNC_CONVERSATIONS as u32,
        }
    }

    /// The limits that may be set. The two per user have a lower maximum, since one apply may walk through all sessions
    /// or slots of a user. That of slots is what one `slots.synced` can name, so that one sync repairs a channel.
    pub const fn range(self) -> RangeInclusive<u32> {
        match self {
            Quota::SessionsPerUser => 1..=4_000,
            Quota::SlotsPerUser => 1..=SYNC_CONVERSATIONS as u32,
            Quota::Entities => 1..=1_000_000,
            _ => 1..=10_000_000,
        }
    }
}

/// The quotas set for a tenant. An absent one has its default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Quotas {
    /// Limit of [`Quota::Users`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub users: Option<u32>,
    /// Limit of [`Quota::Entities`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entities: Option<u32>,
    /// Limit of [`Quota::Sessions`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sessions: Option<u32>,
    /// Limit of [`Quota::SessionsPerUser`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sessions_per_user: Option<u32>,
    /// Limit of [`Quota::Slots`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slots: Option<u32>,
    /// Limit of [`Quota::SlotsPerUser`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slots_per_user: Option<u32>,
    /// Limit of [`Quota::Conversations`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conversations: Option<u32>,
    /// Limit of [`Quota::Tombstones`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tombstones: Option<u32>,
}

impl Quotas {
    const fn given(&self, quota: Quota) -> Option<u32> {
        match quota {
            Quota::Users => self.users,
            Quota::Entities => self.entities,
            Quota::Sessions => self.sessions,
            Quota::SessionsPerUser => self.sessions_per_user,
            Quota::Slots => self.slots,
            Quota::SlotsPerUser => self.slots_per_user,
            Quota::Conversations => self.conversations,
            Quota::Tombstones => self.tombstones,
        }
    }

    /// The limit in force: the one set, else the default. A limit that was set before the range became smaller counts
    /// as the range's maximum.
    pub fn limit(&self, quota: Quota) -> u32 {
        self.given(quota).unwrap_or(quota.default_limit()).min(*quota.range().end())
    }

    /// All limits in force, with defaults filled in, as responses show them.
    #[must_use]
    pub fn in_force(&self) -> Self {
        let limit = |quota| Some(self.limit(quota));
        Quotas {
            users: limit(Quota::Users),
            entities: limit(Quota::Entities),
            sessions: limit(Quota::Sessions),
            sessions_per_user: limit(Quota::SessionsPerUser),
            slots: limit(Quota::Slots),
            slots_per_user: limit(Quota::SlotsPerUser),
            conversations: limit(Quota::Conversations),
            tombstones: limit(Quota::Tombstones),
        }
    }

    /// Returns a problem for each limit out of its range; the pointer names its member.
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
    fn defaults_are_in_range_and_names_are_members() {
        let all = serde_json::to_value(Quotas::default().in_force()).unwrap();
        for quota in Quota::ALL {
            assert!(quota.range().contains(&quota.default_limit()), "{quota:?}");
            assert_eq!(all[quota.name()], quota.default_limit(), "{quota:?}");
        }
    }

    #[test]
    fn limits_out_of_range_are_reported() {
        let read = |json: &str| serde_json::from_str::<Quotas>(json);
        let limits = read(r#"{"users":0,"slots_per_user":1001,"sessions":null,"tombstones":5}"#).unwrap();
        let pointers: Vec<_> = limits.check().into_iter().map(|problem| problem.pointer).collect();
        assert_eq!(pointers, ["/users", "/slots_per_user"]);
        assert_eq!((limits.limit(Quota::Sessions), limits.limit(Quota::Tombstones)), (2_000_000, 5));
        assert_eq!(limits.limit(Quota::SlotsPerUser), 1_000, "set before the range became smaller");
        assert!(read(r#"{"user":1}"#).is_err());
    }
}

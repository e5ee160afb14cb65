//! What a tenant keeps, and whether there is room for more.

use super::State;
use crate::domain::directory::Problem;
use crate::domain::event::Rejection;
use crate::domain::{Outcome, Quota, Quotas};
use crate::live::persistent::steps;
use crate::live::rows::RowKey;

/// How many of the things there are that no collection counts. It follows from the people, and no row holds it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Usage {
    /// Open sessions of all users.
    pub sessions: usize,
    /// Conversations held by all users.
    pub slots: usize,
}

impl State {
    /// Replaces all that was set before. What is kept already stays; only what comes anew is refused.
    pub(super) fn set_limits(&mut self, limits: Quotas) -> Outcome {
        self.limits = limits;
        self.dirty.insert(RowKey::Tenant);
        Outcome::Applied
    }

    /// What the tenant may keep, as it was set.
    pub fn limits(&self) -> Quotas {
        self.limits
    }

    /// Refuses what would make more of something than there may be. A number that does not grow is never refused.
    pub(super) fn check_room(&self, quota: Quota, before: usize, after: usize) -> Result<(), Rejection> {
        let limit = self.limits.limit(quota);
        if after > before && after > limit as usize { Err(Rejection::limit(quota, limit)) } else { Ok(()) }
    }

    /// Refuses a document that makes more users than there may be, at its list of users.
    pub(super) fn check_users(&self, after: usize) -> Result<(), Rejection> {
        let before = self.directory.users().count();
        self.check_room(Quota::Users, before, after).map_err(|full| {
            Rejection::Document(vec![Problem { pointer: String::from("/users"), detail: full.to_string() }])
        })
    }

    /// Counts again what [`Usage`] holds.
    pub(super) fn recount(&self) -> Usage {
        let mut usage = Usage::default();
        for person in self.people.iter() {
            steps::count(1);
            usage.sessions += person.sessions.values().filter(|session| session.open).count();
            usage.slots += person.held_in_all();
        }
        usage
    }
}

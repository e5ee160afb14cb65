//! Quotas: setting them, and checking them before something is added.

use super::State;
use crate::domain::directory::Problem;
use crate::domain::event::Rejection;
use crate::domain::{Outcome, Quota, Quotas};
use crate::live::persistent::steps;
use crate::live::stored::RowKey;

/// Numbers of open sessions and held slots, which no collection has as its length. Derived from the people, so that no
/// row stores them; [`State::recount`] derives them anew.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Usage {
    /// Number of open sessions of all users.
    pub sessions: usize,
    /// Number of conversations held by all users.
    pub slots: usize,
}

impl State {
    /// Replaces the quotas. Existing things stay even beyond a lower quota; only new ones are rejected.
    pub(super) fn set_limits(&mut self, limits: Quotas) -> Outcome {
        self.limits = limits;
        self.dirty.insert(RowKey::Tenant);
        Outcome::Applied
    }

    /// The quotas set for the tenant, without defaults filled in.
    pub fn limits(&self) -> Quotas {
        self.limits
    }

    /// Rejects an increase from `before` to `after` beyond the quota. A number that does not grow is never rejected, so
    /// that ends always succeed after a quota was lowered.
    pub(super) fn check_room(&self, quota: Quota, before: usize, after: usize) -> Result<(), Rejection> {
        let limit = self.limits.limit(quota);
        if after > before && after > limit as usize { Err(Rejection::limit(quota, limit)) } else { Ok(()) }
    }

    /// Rejects a document that increases the number of users to `after` beyond the quota. The problem points to
    /// `/users`.
    pub(super) fn check_users(&self, after: usize) -> Result<(), Rejection> {
        let before = self.directory.users().count();
        self.check_room(Quota::Users, before, after).map_err(|full| {
            Rejection::Document(vec![Problem { pointer: String::from("/users"), detail: full.to_string() }])
        })
    }

    /// Derives [`Usage`] from the people.
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

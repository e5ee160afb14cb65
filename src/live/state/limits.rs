//! Quotas: setting them, and checking them before something is added.

use super::State;
use crate::domain::directory::{Kind, Problem};
use crate::domain::event::Rejection;
use crate::domain::{Outcome, Quota, Quotas};
use crate::live::directory::Directory;
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

    /// Rejects a document that increases the number of users or of entities beyond a quota, where `after` is the
    /// directory with the document. The problems point to `/users`, and to each kind of entity that increased.
    pub(super) fn check_directory(&self, after: &Directory) -> Result<(), Rejection> {
        let before = &self.directory;
        let mut problems = Vec::new();
        let mut refuse = |member: &str, full: &Rejection| {
            problems.push(Problem { pointer: format!("/{member}"), detail: full.to_string() });
        };
        if let Err(full) = self.check_room(Quota::Entities, before.entities(), after.entities()) {
            let grows = |kind: &Kind| after.table(*kind).count() > before.table(*kind).count();
            Kind::ALL.into_iter().filter(grows).for_each(|kind| refuse(kind.member(), &full));
        }
        if let Err(full) = self.check_room(Quota::Users, before.users().count(), after.users().count()) {
            refuse("users", &full);
        }
        if problems.is_empty() { Ok(()) } else { Err(Rejection::Document(problems)) }
    }

    /// Derives [`Usage`] from the people.
    pub(super) fn recount(&self) -> Usage {
        let mut usage = Usage::default();
        for person in self.people.iter() {
            steps::count(1);
            usage.sessions += person.sessions.iter().filter(|(_, session)| session.open).count();
            usage.slots += person.held.size();
        }
        usage
    }
}

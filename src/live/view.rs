//! Views: immutable snapshots of one tenant at one position, from which all reads are answered.

use std::sync::Arc;

use super::boards::Boards;
use super::conversations::Conversations;
use super::count::fold::{Aggregate, Sums, fold};
use super::count::index::{Columns, Index, Plane};
use super::details::{Detail, Details};
use super::directory::Directory;
use super::persistent::Chunks;
use super::selection::Selection;
use super::selection::kept::KeptCounts;
use super::since::{Since, Tracked};
use crate::domain::{Filter, Quotas, Time};

/// Fewest blocks of users of which counts are kept: looking one up takes as long as counting two.
const KEPT_FROM_BLOCKS: usize = 4;

/// An immutable snapshot of one tenant at one position of its journal.
#[derive(Clone, Debug)]
pub struct View {
    position: u64,
    recorded: Time,
    directory: Arc<Directory>,
    index: Index,
    details: Details,
    conversations: Conversations,
    limits: Quotas,
    since: Chunks<Since>,
    boards: Boards,
    kept: Option<Arc<KeptCounts>>,
}

impl View {
    /// Creates the view of a tenant at `position`, with default quotas, without a recorded time, without the times of
    /// the last changes, without wallboards and without kept counts.
    pub fn new(
        position: u64,
        directory: Arc<Directory>,
        index: Index,
        details: Details,
        conversations: Conversations,
    ) -> Self {
        let (recorded, limits, since, boards) = (Time::NEVER, Quotas::default(), Chunks::default(), Boards::default());
        View { position, recorded, directory, index, details, conversations, limits, since, boards, kept: None }
    }

    /// Replaces the recorded time of the newest journal entry.
    #[must_use]
    pub fn with_recorded(self, recorded: Time) -> Self {
        View { recorded, ..self }
    }

    /// Replaces the quotas set for the tenant.
    #[must_use]
    pub fn with_limits(self, limits: Quotas) -> Self {
        View { limits, ..self }
    }

    /// Replaces the times at which the values of the users last changed, by dense index.
    #[must_use]
    pub fn with_since(self, since: Chunks<Since>) -> Self {
        View { since, ..self }
    }

    /// Replaces the wallboards.
    #[must_use]
    pub fn with_boards(self, boards: Boards) -> Self {
        View { boards, ..self }
    }

    /// Adds the counts that the views of this directory share.
    #[must_use]
    pub fn with_kept(self, kept: Arc<KeptCounts>) -> Self {
        View { kept: Some(kept), ..self }
    }

    /// The wallboards that were put.
    pub fn boards(&self) -> &Boards {
        &self.boards
    }

    /// The quotas set for the tenant.
    pub fn limits(&self) -> Quotas {
        self.limits
    }

    /// The position of the newest journal entry that the view includes.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// The recorded time of that entry; [`Time::NEVER`] before the first.
    pub fn recorded(&self) -> Time {
        self.recorded
    }

    /// The tenant's reference data and users.
    pub fn directory(&self) -> &Arc<Directory> {
        &self.directory
    }

    /// Runs an aggregate over the users that the filter selects, and returns it.
    pub fn count<A: Aggregate>(&self, filter: &Filter, mut aggregate: A) -> A {
        fold(&self.index, &Selection::new(&self.directory, filter), &mut aggregate);
        aggregate
    }

    /// Returns what [`View::count`] returns. Of a large tenant, counts that were asked before are kept, and only what
    /// changed since is counted again.
    pub fn count_kept<A: Sums>(&self, filter: &Filter, zero: A) -> A {
        match &self.kept {
            Some(kept) if self.index.blocks().len() >= KEPT_FROM_BLOCKS => kept.count(&self.index, filter, zero),
            _ => self.count(filter, zero),
        }
    }

    /// The counts that are kept, however small the tenant is. `None` for a view that is not of a state.
    pub fn kept(&self) -> Option<&KeptCounts> {
        self.kept.as_deref()
    }

    /// The index's data about one user, by dense index.
    pub fn columns(&self, ix: u32) -> Columns {
        self.index.get(ix)
    }

    /// Returns true if a user, by dense index, was logged in at least once.
    pub fn was_logged_in(&self, ix: u32) -> bool {
        self.columns(ix).has(Plane::EverLoggedIn)
    }

    /// The details of one user, by dense index.
    pub fn detail(&self, ix: u32) -> Detail {
        self.details.get(ix)
    }

    /// The recorded time at which a value of a user, by dense index, last changed. `None` if it is not known, and for a
    /// deleted user.
    pub fn since(&self, ix: u32, tracked: Tracked) -> Option<Time> {
        self.since.get(ix as usize)?.get(tracked)
    }

    /// Counts the elements and pointers of directory, index, details and times that this view does not share with
    /// `before`, an earlier view: a measure of the work between the two.
    pub fn copied_since(&self, before: &Self) -> usize {
        self.directory.copied_since(&before.directory)
            + self.index.copied_since(&before.index)
            + self.details.copied_since(&before.details)
            + self.since.copied_since(&before.since)
    }

    /// The remembered conversations: open ones, and closed ones until they are archived.
    pub fn conversations(&self) -> &Conversations {
        &self.conversations
    }

    /// The index that aggregates count over.
    pub fn index(&self) -> &Index {
        &self.index
    }
}

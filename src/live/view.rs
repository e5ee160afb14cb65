//! What readers see: one tenant at one position, never changed once published.

use std::sync::Arc;

use super::conversations::Conversations;
use super::details::{Detail, Details};
use super::directory::Directory;
use super::index::{Columns, Index};
use super::kernel::{Aggregate, fold};
use super::selection::Selection;
use crate::domain::{Filter, Quotas};

/// One tenant at one position.
#[derive(Clone, Debug)]
pub struct View {
    position: u64,
    directory: Arc<Directory>,
    index: Index,
    details: Details,
    conversations: Conversations,
    limits: Quotas,
}

impl View {
    /// The tenant at `position`.
    pub fn new(
        position: u64,
        directory: Arc<Directory>,
        (index, details): (Index, Details),
        conversations: Conversations,
    ) -> Self {
        View { position, directory, index, details, conversations, limits: Quotas::default() }
    }

    /// The same view with the limits that were set for the tenant.
    #[must_use]
    pub fn with_limits(self, limits: Quotas) -> Self {
        View { limits, ..self }
    }

    /// What the tenant may keep.
    pub fn limits(&self) -> Quotas {
        self.limits
    }

    /// The tenant's position: how many entries of its journal are in here.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Reference data and users.
    pub fn directory(&self) -> &Arc<Directory> {
        &self.directory
    }

    /// Counts an aggregate over the users that the filter names.
    pub fn count<A: Aggregate>(&self, filter: &Filter, mut aggregate: A) -> A {
        fold(&self.index, &Selection::new(self, filter), &mut aggregate);
        aggregate
    }

    /// What the index holds of one user.
    pub fn columns(&self, ix: u32) -> Columns {
        self.index.get(ix)
    }

    /// What is kept of one user beside the index.
    pub fn detail(&self, ix: u32) -> Detail {
        self.details.get(ix)
    }

    /// The number of elements and pointers of directory, index and details that this view does not share with the one
    /// `before` it: the work that the difference took.
    pub fn copied_since(&self, before: &Self) -> usize {
        self.directory.copied_since(&before.directory)
            + self.index.copied_since(&before.index)
            + self.details.copied_since(&before.details)
    }

    /// Conversations that are open, or closed not long ago.
    pub fn conversations(&self) -> &Conversations {
        &self.conversations
    }

    /// The counting index.
    pub fn index(&self) -> &Index {
        &self.index
    }
}

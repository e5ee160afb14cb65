//! What of a state is to be stored, and what it looks like as rows.

use std::collections::HashSet;
use std::sync::Arc;

use super::State;
use crate::domain::Conversation;
use crate::live::listed::Listed;
use crate::live::rows::{self, Checkpoint, Row, RowKey};

/// An immutable copy of a state with the keys of the rows that changed since the last checkpoint. Exporting the rows
/// needs neither the engine nor the state that goes on meanwhile.
#[derive(Debug)]
pub struct CheckpointSource {
    state: State,
    changed: Changed,
}

/// Which rows a checkpoint was begun for: kept by the engine until it is stored, and given back to the state if it is
/// not. Cheap to copy.
#[derive(Clone, Debug)]
pub struct Changed {
    keys: Arc<HashSet<RowKey>>,
    /// The position of the checkpoint before.
    since: u64,
}

/// The rows of a checkpoint, exported piece by piece.
#[derive(Debug)]
pub struct Export {
    state: State,
    keys: std::vec::IntoIter<RowKey>,
    left: Vec<Arc<Conversation>>,
}

impl State {
    /// Begins a checkpoint of this position: takes the keys of the changed rows and a copy of the state. If it is not
    /// stored, [`State::checkpoint_failed`] gives the keys back.
    pub fn begin_checkpoint(&mut self) -> CheckpointSource {
        debug_assert!(!self.is_applying(), "half an entry is not to be stored");
        let changed = Changed { keys: Arc::new(std::mem::take(&mut self.dirty)), since: self.saved };
        self.saved = self.position;
        CheckpointSource { state: self.clone(), changed }
    }

    /// What has to be written so that the stored rows equal this state, exported at once.
    pub fn checkpoint(&mut self) -> Checkpoint {
        let mut export = self.begin_checkpoint().export();
        let mut whole = Checkpoint::empty(self.position);
        while export.add_to(&mut whole) {}
        whole
    }

    /// Forgets closed conversations that left the state for the archive, which has them now. One in which something
    /// happened while the checkpoint was being written is not in the archive as it is: it stays for the next one.
    pub fn checkpoint_written<'a>(&mut self, archived: impl IntoIterator<Item = &'a Arc<Conversation>>) {
        for archived in archived {
            let id = archived.id();
            if self.conversations.leaving(id).is_some_and(|left| Arc::ptr_eq(left, archived)) {
                self.conversations.remove(id);
            }
        }
    }

    /// Marks the rows of a checkpoint that was not stored dirty again.
    pub fn checkpoint_failed(&mut self, changed: Changed) {
        let mut keys = Arc::unwrap_or_clone(changed.keys);
        // The smaller set goes into the larger one: a failed import must not cost the engine a pass over all its rows.
        if keys.len() > self.dirty.len() {
            std::mem::swap(&mut keys, &mut self.dirty);
        }
        self.dirty.extend(keys);
        self.saved = changed.since;
    }

    /// How many entries were applied since the newest checkpoint, those that changed nothing among them.
    pub fn entries_since_checkpoint(&self) -> u64 {
        self.position - self.saved
    }

    /// How many rows changed since the newest checkpoint.
    pub fn rows_since_checkpoint(&self) -> usize {
        self.dirty.len()
    }

    /// Every row of the state, as a first checkpoint would write it.
    pub fn rows(&self) -> Vec<Row> {
        let keys: Vec<RowKey> = std::iter::once(RowKey::Tenant).chain(rows::keys(self)).collect();
        let mut export = Export { state: self.clone(), keys: keys.into_iter(), left: Vec::new() };
        let mut whole = Checkpoint::empty(self.position);
        while export.add_to(&mut whole) {}
        whole.upserts
    }
}

impl CheckpointSource {
    /// The position that the checkpoint will describe.
    pub fn position(&self) -> u64 {
        self.state.position
    }

    /// Which rows it is made for.
    pub fn changed(&self) -> Changed {
        self.changed.clone()
    }

    /// Puts the rows in the order of the stored tables, so that a slice of them touches few pages.
    pub fn export(self) -> Export {
        // The tenant's own row changes with every entry. It may be among the keys of an earlier version's rows.
        let changed = self.changed.keys.iter().filter(|key| **key != RowKey::Tenant).cloned();
        let mut keys: Vec<RowKey> = std::iter::once(RowKey::Tenant).chain(changed).collect();
        keys.sort_unstable();
        Export { state: self.state, keys: keys.into_iter(), left: Vec::new() }
    }
}

impl Export {
    /// A slice with no rows yet.
    pub fn slice(&self) -> Checkpoint {
        Checkpoint::empty(self.state.position)
    }

    /// Whether every row was exported.
    pub fn is_done(&self) -> bool {
        self.keys.as_slice().is_empty()
    }

    /// Exports one more row, and a conversation's archived form with it. False if there was none left.
    pub fn add_to(&mut self, slice: &mut Checkpoint) -> bool {
        let Some(key) = self.keys.next() else { return false };
        if let RowKey::Conversation(id) = key
            && let Some(conversation) = self.state.conversations.get(id)
        {
            if conversation.closing().is_some() {
                slice.bytes += conversation.weight();
                slice.archived.push(Listed::of(conversation, &self.state.directory));
                if self.state.conversations.leaving(id).is_some() {
                    self.left.push(conversation.clone());
                }
            } else if conversation.was_closed() {
                slice.reopened.push(id);
            }
        }
        match rows::body(&self.state, &key) {
            Some(body) => {
                slice.bytes += body.len();
                slice.upserts.push(Row { key, body });
            }
            None => slice.deletes.push(key),
        }
        true
    }

    /// The exported conversations that had left the state for the archive; see [`State::checkpoint_written`].
    pub fn left(self) -> Vec<Arc<Conversation>> {
        self.left
    }
}

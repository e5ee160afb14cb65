//! Exports the rows of a state, for checkpoints and for the digest.

use std::collections::HashSet;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::State;
use crate::domain::directory::Kind;
use crate::domain::{Conversation, EntityRef, Quotas};
use crate::live::directory::Entity;
use crate::live::listed::Listed;
use crate::live::stored::{Checkpoint, ClaimBody, ConversationRow, Row, RowKey, TenantBody, UserBody, json, set};

/// An immutable copy of a state with the keys of the rows changed since the last checkpoint. It can be exported on
/// another thread while the engine continues with the original.
#[derive(Debug)]
pub struct CheckpointSource {
    state: State,
    changed: Changed,
}

/// The keys of the rows of a checkpoint in progress. The engine keeps them until the checkpoint is stored, and returns
/// them to the state if that fails. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Changed {
    keys: Arc<HashSet<RowKey>>,
    /// Position of the previous checkpoint.
    since: u64,
}

impl Changed {
    /// Position of the state whose other rows are stored, by whichever server: every row that was changed after it is among
    /// the keys.
    pub fn since(&self) -> u64 {
        self.since
    }
}

/// An export in progress, one row at a time.
#[derive(Debug)]
pub struct Export {
    state: State,
    keys: std::vec::IntoIter<RowKey>,
    /// Exported conversations that have left the state for the archive.
    left: Vec<Arc<Conversation>>,
}

impl State {
    /// Begins a checkpoint at this position: takes the keys of the changed rows and a copy of the state. If storing it
    /// fails, [`State::checkpoint_failed`] must be called.
    pub fn begin_checkpoint(&mut self) -> CheckpointSource {
        debug_assert!(!self.is_applying(), "a checkpoint must not contain half an entry");
        let changed = Changed { keys: Arc::new(std::mem::take(&mut self.dirty)), since: self.saved };
        // Set before the checkpoint is written: entries from here on are counted for the next one.
        self.saved = self.position;
        CheckpointSource { state: self.clone(), changed }
    }

    /// Begins a checkpoint and exports all of it at once.
    pub fn checkpoint(&mut self) -> Checkpoint {
        let mut export = self.begin_checkpoint().export();
        let mut whole = Checkpoint::empty(self.position, self.batch);
        while export.add_to(&mut whole) {}
        whole
    }

    /// Drops conversations that had left the state and are now archived. One that changed while the checkpoint was
    /// being written is archived in an older form; it stays for the next checkpoint.
    pub fn checkpoint_written<'a>(&mut self, archived: impl IntoIterator<Item = &'a Arc<Conversation>>) {
        for archived in archived {
            let id = archived.id();
            // The same allocation: the conversation did not change since it was exported.
            if self.conversations.leaving(id).is_some_and(|left| Arc::ptr_eq(left, archived)) {
                self.conversations.remove(id);
            }
        }
    }

    /// Marks the rows of a failed checkpoint dirty again.
    pub fn checkpoint_failed(&mut self, changed: Changed) {
        let mut keys = Arc::unwrap_or_clone(changed.keys);
        // Merges the smaller set into the larger one, so that a failed checkpoint of a large import does not cost the
        // engine a pass over all its keys.
        if keys.len() > self.dirty.len() {
            std::mem::swap(&mut keys, &mut self.dirty);
        }
        self.dirty.extend(keys);
        self.saved = changed.since;
    }

    /// The number of entries applied since the newest checkpoint, including those that changed nothing.
    pub fn entries_since_checkpoint(&self) -> u64 {
        self.position - self.saved
    }

    /// The number of rows changed since the newest checkpoint.
    pub fn rows_since_checkpoint(&self) -> usize {
        self.dirty.len()
    }

    /// Returns all rows of the state, as a first checkpoint would write them.
    pub fn rows(&self) -> Vec<Row> {
        let keys: Vec<RowKey> = std::iter::once(RowKey::Tenant).chain(row_keys(self)).collect();
        let mut export = Export { state: self.clone(), keys: keys.into_iter(), left: Vec::new() };
        let mut whole = Checkpoint::empty(self.position, self.batch);
        while export.add_to(&mut whole) {}
        whole.upserts
    }

    /// Returns a copy for [`State::digest`]. It is cheap: only the keys that the next checkpoint needs are not shared, and
    /// those are left out.
    pub fn frozen(&mut self) -> State {
        debug_assert!(!self.is_applying(), "a digest must not cover half an entry");
        let dirty = std::mem::take(&mut self.dirty);
        let frozen = self.clone();
        self.dirty = dirty;
        frozen
    }

    /// Returns a fingerprint of the complete state: the position and the sum of the SHA-256 hashes of all rows. Equal
    /// states have equal digests, however they were reached, as a sum does not depend on the order of the rows.
    pub fn digest(&self) -> String {
        debug_assert!(!self.is_applying(), "a digest must not cover half an entry");
        let mut sum = [0u64; 4];
        for key in row_keys(self).into_iter().chain([RowKey::Tenant]) {
            let mut hash = Sha256::new();
            hash.update(key.kind());
            // Neither kind nor key contains U+0000, so it separates the parts unambiguously.
            hash.update([0]);
            hash.update(key.key());
            hash.update([0]);
            hash.update(row_body(self, &key).unwrap_or_default());
            for (total, part) in sum.iter_mut().zip(hash.finalize().chunks_exact(8)) {
                let part = part.iter().fold(0u64, |word, byte| word << 8 | u64::from(*byte));
                // Overflow does no harm, since digests are only compared for equality.
                *total = total.wrapping_add(part);
            }
        }
        format!("{}-{:016x}{:016x}{:016x}{:016x}", self.position, sum[0], sum[1], sum[2], sum[3])
    }
}

impl CheckpointSource {
    /// Journal position of the copied state.
    pub fn position(&self) -> u64 {
        self.state.position
    }

    /// The journal's batch with the entry at the position, if known.
    pub fn batch(&self) -> Option<Uuid> {
        self.state.batch
    }

    /// The keys of the rows to export.
    pub fn changed(&self) -> Changed {
        self.changed.clone()
    }

    /// Starts the export, in the order of the stored tables, so that a slice touches few pages.
    pub fn export(self) -> Export {
        let changed: Vec<RowKey> = self.changed.keys.iter().cloned().collect();
        self.export_of(changed)
    }

    /// Works as [`CheckpointSource::export`] with all rows of the state, for a store without any of the tenant's rows. The
    /// changed ones are among them also if they are no longer there: a conversation that has left is exported to the archive.
    pub fn export_all(self) -> Export {
        let all = row_keys(&self.state).into_iter().chain(self.changed.keys.iter().cloned());
        let all: HashSet<RowKey> = all.collect();
        self.export_of(all.into_iter().collect())
    }

    fn export_of(self, mut keys: Vec<RowKey>) -> Export {
        // The tenant's row changes with every entry, so it is always exported, and once even if its key is dirty.
        keys.retain(|key| *key != RowKey::Tenant);
        keys.push(RowKey::Tenant);
        keys.sort_unstable();
        Export { state: self.state, keys: keys.into_iter(), left: Vec::new() }
    }

    /// Returns the closed conversations that have left the state for the archive, as [`Export::left`] does, without exporting
    /// anything: a checkpoint that is stored already has archived them.
    pub fn left(self) -> Vec<Arc<Conversation>> {
        let conversations = &self.state.conversations;
        let leaving = self.changed.keys.iter().filter_map(|key| match key {
            RowKey::Conversation(id) if conversations.leaving(*id).is_some() => conversations.get(*id),
            _ => None,
        });
        leaving.filter(|conversation| conversation.closing().is_some()).cloned().collect()
    }
}

impl Export {
    /// Creates an empty slice at the export's position.
    pub fn slice(&self) -> Checkpoint {
        Checkpoint::empty(self.state.position, self.state.batch)
    }

    /// Returns true if every row was exported.
    pub fn is_done(&self) -> bool {
        self.keys.as_slice().is_empty()
    }

    /// Exports one more row to `slice`, for a closed conversation together with its archived form. Returns false if
    /// none was left.
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
        match row_body(&self.state, &key) {
            Some(body) => {
                slice.bytes += body.len();
                slice.upserts.push(Row { key, body });
            }
            None => slice.deletes.push(key),
        }
        true
    }

    /// Returns the exported conversations that had left the state for the archive, for [`State::checkpoint_written`].
    pub fn left(self) -> Vec<Arc<Conversation>> {
        self.left
    }
}

/// Returns the body of a row for the current state; `None` if the object no longer exists, so that its row is deleted.
fn row_body(state: &State, key: &RowKey) -> Option<String> {
    let directory = state.directory();
    Some(match key {
        RowKey::Tenant => json(&TenantBody {
            recorded: set(state.recorded()),
            high_water: directory.high_water(),
            floor: set(state.floor()),
            limits: Some(state.limits()).filter(|limits| *limits != Quotas::default()),
            settings: directory.settings(),
            rows: Some(row_count(state)),
        }),
        RowKey::Entity(kind, id) => json::<Arc<Entity>>(directory.table(*kind).get(EntityRef::Id(*id))?),
        RowKey::User(id) => {
            let ix = directory.users().by_id(*id)?;
            json(&UserBody::of(directory.users().account(ix)?, state.person(ix)?, state.since(ix)))
        }
        RowKey::Conversation(id) => {
            let known = state.conversations().known(*id)?;
            json(&ConversationRow { conversation: &known.conversation, ended: known.ended })
        }
        RowKey::Claim(conversation) => {
            let claim = state.claim(conversation)?;
            let holder = state.holder(claim).map(|(ix, _)| ix);
            let held_by = holder.and_then(|ix| directory.profile(ix)).map(|profile| profile.id);
            json(&ClaimBody::of(claim, held_by))
        }
        RowKey::Board(name) => json(state.boards().stored(name)?),
    })
}

/// Returns the number of all rows except the tenant's, in constant time.
fn row_count(state: &State) -> u64 {
    let directory = state.directory();
    let entities: usize = Kind::ALL.into_iter().map(|kind| directory.table(kind).rows().len()).sum();
    let others =
        directory.users().count() + state.conversations().known_len() + state.claims.len() + state.boards().len();
    (entities + others) as u64
}

/// Returns the keys of all rows except the tenant's.
fn row_keys(state: &State) -> Vec<RowKey> {
    let directory = state.directory();
    let entities = Kind::ALL.into_iter().flat_map(|kind| {
        directory.table(kind).rows().iter().map(move |entity| RowKey::Entity(kind, entity.id)).collect::<Vec<_>>()
    });
    let accounts = (0..directory.users().len() as u32).filter_map(|ix| directory.users().account(ix));
    let users = accounts.map(|account| RowKey::User(account.profile.id));
    let claims = state.claims().map(|conversation| RowKey::Claim(conversation.clone()));
    let conversations = state.conversations().iter().map(|(id, _)| RowKey::Conversation(*id));
    let boards = state.boards().iter().map(|(name, _)| RowKey::Board(name.into()));
    entities.chain(users).chain(conversations).chain(claims).chain(boards).collect()
}

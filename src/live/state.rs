//! The state of one tenant: a state machine driven by journal entries (docs/reference/events.md, "Order").

mod boards;
mod changes;
mod check;
mod conversations;
mod desk;
mod export;
mod limits;
mod load;
mod memory;
mod people;
mod progress;
mod slots;
mod steps;
mod tombstones;

use std::collections::HashSet;
use std::sync::Arc;

use uuid::Uuid;

use super::boards::Boards;
use super::claim::Claim;
use super::conversations::Conversations;
use super::count::index::{Columns, Index, columns};
use super::details::{Detail, Details};
use super::directory::Directory;
use super::persistent::{Chunks, Keyed};
use super::person::Person;
use super::selection::kept::KeptCounts;
use super::since::{Since, Values};
use super::stored::RowKey;
use super::view::View;
use crate::domain::event::{Event, Rejection};
use crate::domain::{ConversationId, Entry, EventBody, Outcome, Quota, Quotas, TenantId, Time, UserRef};

use limits::Usage;
use tombstones::{Tombstone, Tombstones};

pub use check::Findings;
pub use desk::Lease;
pub use export::{Changed, CheckpointSource, Export};
pub use load::{BadCheckpoint, ParsedRows};
pub use memory::Memory;
pub use progress::Step;

/// The version of the rules by which [`State::apply`] works. A release that changes the rules raises it, and writes a
/// checkpoint before its first new entry.
pub const APPLY_VERSION: u32 = 6;

/// Maximum number of tombstones dropped per entry, besides one for each conversation that a sync names. It exceeds the
/// number an entry can add, so that dropping keeps up.
const FORGOTTEN_PER_ENTRY: usize = 8;

/// Error: the entry does not directly follow the state's position. Entries are missing, so it must never be ignored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the journal jumps from position {at} to {next}")]
pub struct Gap {
    /// Position of the state.
    pub at: u64,
    /// Position of the entry.
    pub next: u64,
}

/// The state of one tenant. A clone is cheap right after [`State::begin_checkpoint`] has taken the dirty keys:
/// everything else is shared.
#[derive(Clone, Debug)]
pub struct State {
    position: u64,
    /// The journal's batch with the entry at the position, if known. It names the history and is no part of the state:
    /// neither in a row nor in the digest.
    batch: Option<Uuid>,
    recorded: Time,
    directory: Arc<Directory>,
    people: Chunks<Person>,
    /// The values that each user shows as of the newest entry, by which the changes of the next one are found. Derived
    /// from people and directory; `None` for deleted users.
    values: Chunks<Option<Values>>,
    /// When these values last changed, shared with views.
    since: Chunks<Since>,
    claims: Keyed<ConversationId, Claim>,
    conversations: Conversations,
    tombstones: Tombstones,
    /// The newest event time of anything dropped from memory. An event up to this time may be about something dropped.
    floor: Time,
    limits: Quotas,
    boards: Boards,
    usage: Usage,
    index: Index,
    details: Details,
    /// Counts of the newest view's directory, shared with views. Derived, and no part of the state.
    kept: Arc<KeptCounts>,
    /// Users whose index row and details the next view has to update; may contain duplicates.
    touched: Vec<u32>,
    /// Keys of the rows changed since the newest checkpoint.
    dirty: HashSet<RowKey>,
    /// Position of the newest checkpoint, written or being written.
    saved: u64,
    /// The entry being applied in slices, if one is.
    pending: Option<progress::Pending>,
}

impl State {
    /// Creates the state of a new tenant, at position 0.
    pub fn new(tenant: TenantId) -> Self {
        let directory = Arc::new(Directory::new(tenant));
        State {
            position: 0,
            batch: None,
            recorded: Time::NEVER,
            kept: Arc::new(KeptCounts::new(directory.clone())),
            directory,
            people: Chunks::default(),
            values: Chunks::default(),
            since: Chunks::default(),
            claims: Keyed::default(),
            conversations: Conversations::default(),
            tombstones: Tombstones::default(),
            floor: Time::NEVER,
            limits: Quotas::default(),
            boards: Boards::default(),
            usage: Usage::default(),
            index: Index::default(),
            details: Details::default(),
            touched: Vec::new(),
            dirty: HashSet::new(),
            saved: 0,
            pending: None,
        }
    }

    /// Position of the newest applied entry; 0 before the first.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// The journal's batch with the newest applied entry, if known. Two histories may have different entries at one
    /// position, and then they have different batches there.
    pub fn batch(&self) -> Option<Uuid> {
        self.batch
    }

    /// Notes the journal's batch with the newest applied entry.
    pub fn set_batch(&mut self, batch: Option<Uuid>) {
        self.batch = batch;
    }

    /// Recorded time of the newest applied entry; [`Time::NEVER`] before the first.
    pub fn recorded(&self) -> Time {
        self.recorded
    }

    fn dispatch(&mut self, entry: &Entry) -> Result<Outcome, Rejection> {
        let event = &entry.event;
        match &event.fact.body {
            EventBody::DeskConnected { user, session, lease_seconds, device, surface, socket } => {
                let opening = desk::Opening {
                    lease_seconds: *lease_seconds,
                    device: device.as_deref(),
                    surface: *surface,
                    socket: *socket,
                };
                self.open_session(event, user, session, &opening)
            }
            // Heartbeats are never journalled; one in the journal nevertheless changes nothing.
            EventBody::DeskHeartbeat { .. } => Ok(Outcome::Stale),
            EventBody::DeskDisconnected { user, session, opened } => self.close_session(event, user, session, *opened),
            EventBody::DeskClosedAll { user } => self.close_all(event, user),
            EventBody::DeskLeaseExpired { user, session, opened } => self.expire(event, user, session, *opened),
            EventBody::StatusChanged { user, presence, presence_id, channels } => {
                self.change_status(event, user, *presence, *presence_id, channels)
            }
            EventBody::SlotTaken { user, channel, conversation } => self.take_slot(entry, user, *channel, conversation),
            EventBody::SlotReleased { user, conversation } => self.release_slot(entry, user.as_ref(), conversation),
            EventBody::SlotsSynced { user, channel, conversations } => {
                self.sync_slots(entry, user, *channel, conversations)
            }
            EventBody::ConversationStarted { .. }
            | EventBody::ConversationRouted { .. }
            | EventBody::ConversationPushed { .. }
            | EventBody::ConversationMessage { .. }
            | EventBody::ConversationTransferred { .. }
            | EventBody::ConversationSnoozed { .. }
            | EventBody::ConversationRemoved { .. }
            | EventBody::ConversationClosed { .. } => self.add_to_history(entry),
            // Documents are applied in slices by `begin` and never arrive here.
            EventBody::DirectoryUpserted { .. } => Ok(Outcome::Stale),
            EventBody::UserDeleted { user } => self.delete_user(entry, user),
            EventBody::PasswordSet { user, hash, by } => self.set_password(user, hash, *by),
            EventBody::UserLoggedIn { user } => self.log_in(user),
            EventBody::LimitsSet { limits } => Ok(self.set_limits(*limits)),
            EventBody::WallboardPut { name, board, expected } => self.put_board(entry, name, board, *expected),
            EventBody::WallboardDeleted { name, expected } => self.delete_board(name, *expected),
        }
    }

    /// Updates index and details of the touched users and returns the view of this position.
    pub fn publish(&mut self) -> Arc<View> {
        debug_assert!(!self.is_applying(), "a view must not contain half an entry");
        // A user touched by many entries of a batch is derived once.
        self.touched.sort_unstable();
        self.touched.dedup();
        if !self.touched.is_empty() {
            self.index.begin();
        }
        if !self.kept.is_of(&self.directory) {
            self.kept = Arc::new(KeptCounts::new(self.directory.clone()));
        }
        for ix in std::mem::take(&mut self.touched) {
            let columns = self.columns_of(&self.directory, ix);
            self.index.set(ix, &columns);
            self.details.set(ix, self.detail_of(&self.directory, ix));
        }
        let (index, details) = (self.index.clone(), self.details.clone());
        let view = View::new(self.position, self.directory.clone(), index, details, self.conversations.clone());
        let view = view.with_recorded(self.recorded).with_limits(self.limits).with_kept(self.kept.clone());
        Arc::new(view.with_since(self.since.clone()).with_boards(self.boards.clone()))
    }

    fn columns_of(&self, directory: &Directory, ix: u32) -> Columns {
        let Some(profile) = directory.profile(ix) else { return Columns::default() };
        let person = &self.people[ix as usize];
        let facts = person.facts(profile, directory.settings().capacity);
        columns(&facts, profile.is_assigned(), person.ever_logged_in)
    }

    fn detail_of(&self, directory: &Directory, ix: u32) -> Detail {
        let Some(person) = self.people.get(ix as usize) else { return Detail::default() };
        let created = person.created.unwrap_or_default();
        if directory.profile(ix).is_none() {
            return Detail { created, ..Detail::default() };
        }
        Detail {
            definition: person.presence.value.definition,
            updated: person.presence.at.max(person.desk_at),
            handled: person.handled,
            created,
            logged_in: person.logged_in,
        }
    }

    /// The dense index of an event's user, unless unknown or deleted.
    fn subject(&self, user: &UserRef) -> Result<u32, Rejection> {
        self.directory.find(user).ok_or(Rejection::UnknownUser)
    }

    /// Returns true if an event about something unknown is too late to be applied: the thing may have existed and been
    /// dropped. Authoritative events are never late.
    fn is_late(&self, event: &Event) -> bool {
        // At the floor counts as late: what was dropped may have had that very time.
        event.fact.time <= self.floor && !event.is_authoritative()
    }

    /// The newest event time of anything dropped from memory; [`Time::NEVER`] if nothing was.
    pub fn floor(&self) -> Time {
        self.floor
    }

    fn user_id(&self, ix: u32) -> i64 {
        self.directory.user_id(ix)
    }

    /// Marks a user's index row and stored row as changed.
    fn touch(&mut self, ix: u32) {
        // The first entry that touches a dense index is the one that created its user.
        self.people[ix as usize].created.get_or_insert(self.position);
        self.touched.push(ix);
        self.dirty.insert(RowKey::User(self.user_id(ix)));
    }

    /// Drops things whose tombstones have expired by the entry's recorded time, or exceed the quota: the oldest first,
    /// and a bounded number per entry. The others stay known until a later entry. Raises the floor to the newest event
    /// time dropped.
    fn prune(&mut self, entry: &Entry) {
        let named = match &entry.event.fact.body {
            EventBody::SlotsSynced { conversations, .. } => conversations.len(),
            _ => 0,
        };
        for _ in 0..FORGOTTEN_PER_ENTRY + named {
            let newest = match self.tombstones.due(entry.recorded, self.limits.limit(Quota::Tombstones)) {
                None => break,
                Some(Tombstone::Session(user, session)) => self.forget_session(user, &session),
                Some(Tombstone::Claim(conversation)) => self.forget_claim(&conversation),
                Some(Tombstone::Conversation(conversation)) => self.forget_conversation(conversation),
                Some(Tombstone::User(user)) => self.forget_user(user),
            };
            self.floor = self.floor.max(newest);
        }
    }
}

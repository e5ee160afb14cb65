//! One tenant's truth: a state machine that the journal's entries drive (EVENTS.md, "Order, repeats, truth").

mod conversations;
mod desk;
mod endings;
mod export;
mod limits;
mod load;
mod people;
mod progress;
mod slots;
mod steps;

use std::collections::HashSet;
use std::sync::Arc;

use super::claim::Claim;
use super::conversations::Conversations;
use super::details::{Detail, Details};
use super::directory::Directory;
use super::index::{Columns, Index, columns};
use super::persistent::{Chunks, Map};
use super::person::Person;
use super::rows::{self, RowKey};
use super::view::View;
use crate::domain::event::{Event, Rejection};
use crate::domain::{Body, ConversationId, Entry, Outcome, Quota, Quotas, TenantId, Time, UserRef};

use endings::{Ending, Endings};
use limits::Usage;

pub use desk::Lease;
pub use export::{Changed, CheckpointSource, Export};
pub use load::BadRow;
pub use progress::Step;

/// The rules that [`State::apply`] follows. A release that changes them raises the number, and checkpoints before its
/// first new entry.
pub const APPLY_VERSION: u32 = 2;

/// Things that one entry forgets at most, besides as many as it names: more than it can add, so that forgetting keeps up.
const FORGOTTEN_PER_ENTRY: usize = 8;

/// The journal does not go on where the state stands: an alarm, never to be papered over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the journal jumps from position {at} to {next}")]
pub struct Gap {
    /// Where the state stands.
    pub at: u64,
    /// The entry that came.
    pub next: u64,
}

/// One tenant's truth. A copy is cheap once [`State::checkpoint`] has taken what is dirty: it shares all else.
#[derive(Clone, Debug)]
pub struct State {
    position: u64,
    recorded: Time,
    directory: Arc<Directory>,
    people: Chunks<Person>,
    claims: Map<ConversationId, Claim>,
    conversations: Conversations,
    endings: Endings,
    /// The newest event time of anything that was forgotten.
    floor: Time,
    limits: Quotas,
    usage: Usage,
    index: Index,
    details: Details,
    touched: Vec<u32>,
    dirty: HashSet<RowKey>,
    /// The position of the newest checkpoint.
    saved: u64,
    /// The entry that is being applied in slices.
    pending: Option<progress::Pending>,
}

impl State {
    /// A tenant to whom nothing has happened.
    pub fn new(tenant: TenantId) -> Self {
        State {
            position: 0,
            recorded: Time::NEVER,
            directory: Arc::new(Directory::new(tenant)),
            people: Chunks::default(),
            claims: Map::default(),
            conversations: Conversations::default(),
            endings: Endings::default(),
            floor: Time::NEVER,
            limits: Quotas::default(),
            usage: Usage::default(),
            index: Index::default(),
            details: Details::default(),
            touched: Vec::new(),
            dirty: HashSet::new(),
            saved: 0,
            pending: None,
        }
    }

    /// How many entries have been applied.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// When the newest of them was journalled.
    pub fn recorded(&self) -> Time {
        self.recorded
    }

    fn take(&mut self, entry: &Entry) -> Result<Outcome, Rejection> {
        let event = &entry.event;
        match &event.fact.body {
            Body::DeskConnected { user, session, lease_seconds, device, surface, socket } => {
                let opening = desk::Opening {
                    lease_seconds: *lease_seconds,
                    device: device.as_deref(),
                    surface: *surface,
                    socket: *socket,
                };
                self.open_session(event, user, session, &opening)
            }
            // A heartbeat is never journalled; should one be met all the same, it changes nothing.
            Body::DeskHeartbeat { .. } => Ok(Outcome::Stale),
            Body::DeskDisconnected { user, session, opened } => self.close_session(event, user, session, *opened),
            Body::DeskClosedAll { user } => self.close_all(event, user),
            Body::DeskLeaseExpired { user, session, opened } => self.expire(event, user, session, *opened),
            Body::StatusChanged { user, presence, presence_id, channels } => {
                self.change_status(event, user, *presence, *presence_id, channels)
            }
            Body::SlotTaken { user, channel, conversation } => self.take_slot(entry, user, *channel, conversation),
            Body::SlotReleased { user, conversation } => self.release_slot(entry, user.as_ref(), conversation),
            Body::SlotsSynced { user, channel, conversations } => self.sync_slots(entry, user, *channel, conversations),
            Body::ConversationStarted { .. }
            | Body::ConversationRouted { .. }
            | Body::ConversationPushed { .. }
            | Body::ConversationMessage { .. }
            | Body::ConversationTransferred { .. }
            | Body::ConversationSnoozed { .. }
            | Body::ConversationRemoved { .. }
            | Body::ConversationClosed { .. } => self.converse(entry),
            // Documents are applied in slices.
            Body::DirectoryUpserted { .. } => Ok(Outcome::Stale),
            Body::UserDeleted { user } => self.delete_user(entry, user),
            Body::PasswordSet { user, hash } => self.set_password(user, hash),
            Body::LimitsSet { limits } => Ok(self.set_limits(*limits)),
        }
    }

    /// Brings index and details up to date and gives the view of this position.
    pub fn publish(&mut self) -> Arc<View> {
        debug_assert!(!self.is_applying(), "half an entry is not to be seen");
        self.touched.sort_unstable();
        self.touched.dedup();
        for ix in std::mem::take(&mut self.touched) {
            let columns = self.columns_of(&self.directory, ix);
            self.index.set(ix, &columns);
            self.details.set(ix, self.detail_of(&self.directory, ix));
        }
        let people = (self.index.clone(), self.details.clone());
        let view = View::new(self.position, self.directory.clone(), people, self.conversations.clone());
        Arc::new(view.with_limits(self.limits))
    }

    fn columns_of(&self, directory: &Directory, ix: u32) -> Columns {
        let Some(profile) = directory.profile(ix) else { return Columns::default() };
        let person = &self.people[ix as usize];
        let assigned = !profile.queues.is_empty() || !profile.campaigns.is_empty();
        columns(&person.facts(profile), assigned, person.ever_logged_in)
    }

    fn detail_of(&self, directory: &Directory, ix: u32) -> Detail {
        let Some(person) = directory.profile(ix).and_then(|_| self.people.get(ix as usize)) else {
            return Detail::default();
        };
        Detail {
            definition: person.presence.value.definition,
            updated: person.presence.at.max(person.desk_at),
            handled: person.handled,
        }
    }

    /// A fingerprint of the complete state: equal for equal states, whatever way they came about.
    pub fn digest(&self) -> String {
        debug_assert!(!self.is_applying(), "half an entry has no digest");
        rows::digest(self)
    }

    /// The user an event is about.
    fn subject(&self, user: &UserRef) -> Result<u32, Rejection> {
        self.directory.find(user).ok_or(Rejection::UnknownUser)
    }

    /// Whether an event is too late to be about something that the state does not know: it may have been forgotten.
    /// What the server itself writes is never late.
    fn is_late(&self, event: &Event) -> bool {
        event.fact.time <= self.floor && !event.is_authoritative()
    }

    /// The newest event time of anything that was forgotten; [`Time::NEVER`] as long as nothing was.
    pub fn floor(&self) -> Time {
        self.floor
    }

    fn user_id(&self, ix: u32) -> i64 {
        self.directory.user_id(ix)
    }

    /// The user's index row and stored row must follow.
    fn touch(&mut self, ix: u32) {
        // A place in the directory is touched for the first time by the entry that creates its user.
        self.people[ix as usize].created.get_or_insert(self.position);
        self.touched.push(ix);
        self.dirty.insert(RowKey::User(self.user_id(ix)));
    }

    /// Forgets what ended a tombstone's time before the entry at hand, by recorded time, and what there is too much of:
    /// the oldest first, and a bounded number. What has to wait for a later entry stays known until then.
    fn prune(&mut self, entry: &Entry) {
        let named = match &entry.event.fact.body {
            Body::SlotsSynced { conversations, .. } => conversations.len(),
            _ => 0,
        };
        for _ in 0..FORGOTTEN_PER_ENTRY + named {
            let newest = match self.endings.due(entry.recorded, self.limits.limit(Quota::Tombstones)) {
                None => break,
                Some(Ending::Session(user, session)) => self.forget_session(user, &session),
                Some(Ending::Claim(conversation)) => self.forget_claim(&conversation),
                Some(Ending::Conversation(conversation)) => self.forget_conversation(conversation),
                Some(Ending::User(user)) => self.forget_user(user),
            };
            self.floor = self.floor.max(newest);
        }
    }
}

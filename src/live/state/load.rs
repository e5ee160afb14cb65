//! Restores a state from the rows of a checkpoint.

mod parsed;

use std::sync::Arc;

use super::State;
use super::tombstones::Tombstone;
use crate::domain::{Conversation, ConversationId, TenantId, Time};
use crate::live::claim::Claim;
use crate::live::conversations::{Conversations, Remembered};
use crate::live::directory::{Account, Directory};
use crate::live::person::Person;
use crate::live::since::Since;
use crate::live::stored::Row;

use parsed::ParsedUser;

pub use parsed::{BadCheckpoint, ParsedRows};

impl State {
    /// Restores the state at `position` from all of its rows, in any order. [`BadCheckpoint`] if one cannot be read, or
    /// if rows are missing: a state without some of its users would answer with wrong numbers.
    pub fn load(tenant: TenantId, position: u64, rows: Vec<Row>) -> Result<Self, BadCheckpoint> {
        let mut parsed = ParsedRows::default();
        for Row { key, body } in rows {
            parsed.add(key, &body)?;
        }
        State::restore(tenant, position, parsed)
    }

    /// Works as [`State::load`], with rows that are parsed already.
    pub fn restore(tenant: TenantId, position: u64, mut rows: ParsedRows) -> Result<Self, BadCheckpoint> {
        // Position 0 is a state without a checkpoint.
        if position > 0 {
            rows.check_count()?;
        }
        rows.sort();
        let mut state = State::new(tenant);
        state.position = position;
        state.saved = position;
        let mut directory = Directory::new(tenant);
        for body in rows.tenants {
            state.recorded = body.recorded.unwrap_or(Time::NEVER);
            state.floor = body.floor.unwrap_or(Time::NEVER);
            state.limits = body.limits.unwrap_or_default();
            directory.restore_high_water(&body.high_water);
            directory.restore_settings(body.settings);
        }
        // Entities before the users that refer to them, users before the claims they hold.
        for (kind, _, entity) in rows.entities {
            directory.restore_entity(kind, entity);
        }
        state.restore_users(&mut directory, rows.users);
        for (id, body) in rows.conversations {
            state.tombstones.place(Tombstone::Conversation(id), None, body.ended);
            let conversation = Arc::new(Conversation::with(id, body.history));
            state.conversations.put(Remembered { conversation, ended: body.ended, is_leaving: false });
        }
        for (conversation, claim) in rows.claims {
            state.tombstones.place(Tombstone::Claim(conversation.clone()), None, claim.ended);
            state.claims.insert(conversation, claim);
        }
        for (name, board) in rows.boards {
            state.restore_board(&name, board);
        }
        state.directory = Arc::new(directory);
        state.fill_held();
        state.usage = state.recount();
        state.derive_values();
        // Index and details are not stored: the first view derives them for all users.
        state.touched = (0..state.people.len() as u32).collect();
        Ok(state)
    }

    #[expect(clippy::vec_box, reason = "they were sorted, and are moved to where they belong")]
    fn restore_users(&mut self, directory: &mut Directory, users: Vec<Box<ParsedUser>>) {
        let (mut accounts, mut since) = (Vec::with_capacity(users.len()), Vec::with_capacity(users.len()));
        let people = users.into_iter().map(|user| {
            let ParsedUser { id, profile, password, person, since: times } = *user;
            for (session, known) in person.sessions.iter() {
                self.tombstones.place(Tombstone::Session(id, session.into()), None, known.ended);
            }
            self.tombstones.place(Tombstone::User(id), None, person.deleted);
            accounts.push(Account { profile, password, deleted: person.deleted });
            since.push(times);
            person
        });
        self.people = people.collect();
        self.since = since.into_iter().collect();
        directory.restore_users(accounts);
    }

    /// Fills the holders' sets, which are not stored but derived from the claims.
    fn fill_held(&mut self) {
        let held: Vec<_> = self
            .claims
            .iter()
            .filter_map(|(conversation, claim)| Some((conversation.clone(), self.holder(claim)?)))
            .collect();
        for (conversation, (ix, channel)) in held {
            self.people[ix as usize].held.insert(channel, conversation);
        }
    }

    pub(in crate::live) fn directory(&self) -> &Directory {
        &self.directory
    }

    pub(in crate::live) fn person(&self, ix: u32) -> Option<&Person> {
        self.people.get(ix as usize)
    }

    pub(in crate::live) fn since(&self, ix: u32) -> &Since {
        self.since.get(ix as usize).unwrap_or(&Since::UNKNOWN)
    }

    pub(in crate::live) fn claim(&self, conversation: &ConversationId) -> Option<&Claim> {
        self.claims.get(conversation)
    }

    pub(in crate::live) fn conversations(&self) -> &Conversations {
        &self.conversations
    }

    pub(in crate::live) fn claims(&self) -> impl Iterator<Item = &ConversationId> {
        self.claims.iter().map(|(conversation, _)| conversation)
    }
}

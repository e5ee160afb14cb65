//! Forgetting after a day, and the floor that it raises (docs/reference/events.md, "Order").
//!
//! * Tombstones are forgotten in the order of their ends, and at equal times sessions before slots, conversations and
//!   users, each by id. An entry forgets at most eight, and as many more as a sync names conversations.
//! * Tombstones above the quota are forgotten in the same order before their day is over.
//! * The floor is the newest time of all forgotten statements. An event about an unknown session, slot or conversation
//!   is too late if its time is not after the floor.

use rollcall::domain::{ConversationId, Entry, Event, EventBody, Quota, Time};
use uuid::Uuid;

use super::{AccountIx, Effect, Flaw, REMEMBERED, Reference, is_about_session};

/// A tombstone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Remembered {
    Session(i64, Box<str>),
    Slot(String),
    Conversation(Uuid),
    User(i64),
}

impl Reference {
    /// Returns whether the event is too late for an unknown subject, which may have been forgotten.
    pub(super) fn is_late(&self, event: &Event) -> bool {
        event.fact.time <= self.floor && !event.is_authoritative()
    }

    pub(super) fn is_late_for_slot(&self, event: &Event, conversation: &ConversationId) -> bool {
        let is_known = self.released_since.contains_key(conversation) || self.holders().contains_key(conversation);
        !is_known && self.is_late(event) && !self.has(Flaw::FloorIsForConversationsOnly)
    }

    pub(super) fn knows_session(&self, ix: AccountIx, session: &str) -> bool {
        let key = (ix, Box::from(session));
        self.closed_since.contains_key(&key) || self.open_sessions().contains_key(&key)
    }

    fn tombstones(&self) -> Vec<(Time, Remembered)> {
        let id = |ix: AccountIx| self.directory.accounts[ix].id;
        let sessions =
            self.closed_since.iter().map(|((ix, name), since)| (*since, Remembered::Session(id(*ix), name.clone())));
        let slots = self.released_since.iter().map(|(c, since)| (*since, Remembered::Slot(c.to_string())));
        let idle = self.conversations.idle_since.iter().map(|(c, since)| (*since, Remembered::Conversation(*c)));
        let users = self.directory.accounts.iter().filter(|account| !account.forgotten);
        let users = users.filter_map(|account| Some((account.deleted?, Remembered::User(account.id))));
        let mut all: Vec<_> = sessions.chain(slots).chain(idle).chain(users).collect();
        all.sort();
        all
    }

    /// Forgets the tombstones that are a day older than the entry, and those above the quota.
    pub(super) fn forget(&mut self, entry: &Entry) {
        if self.has(Flaw::NothingIsForgotten) {
            return;
        }
        let named = match &entry.event.fact.body {
            EventBody::SlotsSynced { conversations, .. } => conversations.len(),
            _ => 0,
        };
        let all = self.tombstones();
        let room = match self.has(Flaw::TombstonesAreNotBounded) {
            true => usize::MAX,
            false => self.limits.limit(Quota::Tombstones) as usize,
        };
        let too_many = all.len().saturating_sub(room);
        for (n, (since, thing)) in all.into_iter().enumerate().take(8 + named) {
            if n >= too_many && since.plus_seconds(REMEMBERED) > entry.recorded {
                break;
            }
            let newest = match thing {
                Remembered::Session(user, name) => self.forget_session(user, &name),
                Remembered::Slot(conversation) => self.forget_slot(&ConversationId::new(&conversation).unwrap()),
                Remembered::Conversation(id) => self.conversations.forget(id),
                Remembered::User(user) => self.forget_user(user),
            };
            if !self.has(Flaw::ForgettingRaisesNoFloor) {
                self.floor = self.floor.max(newest.unwrap_or(Time::NEVER));
            }
        }
    }

    fn forget_session(&mut self, user: i64, name: &str) -> Option<Time> {
        let is_theirs = |account: &super::directory::Account| !account.forgotten && account.id == user;
        let ix = self.directory.accounts.iter().position(is_theirs)?;
        let key = (ix, Box::from(name));
        self.closed_since.remove(&key);
        self.of_desks.remove(&key);
        self.uncounted.remove(&key);
        self.forget_statements(|effect| is_about_session(effect, ix, name))
    }

    fn forget_slot(&mut self, conversation: &ConversationId) -> Option<Time> {
        self.released_since.remove(conversation);
        self.took.remove(conversation);
        let mut newest = self.forget_statements(|effect| match effect {
            Effect::Taken(_, _, about) | Effect::Released(_, about) | Effect::TakenByOther(about) => {
                about == conversation
            }
            _ => false,
        });
        for statement in &mut self.statements {
            if let Effect::Synced(_, _, named) = &mut statement.effect
                && named.remove(conversation)
            {
                newest = newest.max(Some(statement.time));
            }
        }
        newest
    }

    fn forget_user(&mut self, user: i64) -> Option<Time> {
        let ix = self.directory.accounts.iter().position(|account| !account.forgotten && account.id == user)?;
        self.directory.forget(ix);
        let about = self.statements.iter().filter(|statement| match &statement.effect {
            Effect::Presence(w, ..) | Effect::Toggle(w, ..) | Effect::ClosedAll(w) | Effect::Synced(w, ..) => *w == ix,
            _ => false,
        });
        let kept = [self.updated.get(&ix), self.logged_in.get(&ix)].into_iter().flatten().copied();
        about.map(|statement| statement.time).chain(kept).max()
    }

    /// Removes statements; returns the newest time of them.
    fn forget_statements(&mut self, is_meant: impl Fn(&Effect) -> bool) -> Option<Time> {
        let newest = self
            .statements
            .iter()
            .filter(|statement| is_meant(&statement.effect))
            .map(|statement| statement.time)
            .max();
        self.statements.retain(|statement| !is_meant(&statement.effect));
        newest
    }
}

//! What is remembered for a day, what is forgotten then, and the floor that rises by it
//! (docs/reference/events.md, "Order").
//!
//! * Things are forgotten in the order in which they ended, and at one time sessions before slots, conversations and
//!   users, each by their ids. An entry forgets at most eight, and as many more as a sync names conversations.
//! * What there is too much of is forgotten in the same order before its day is over.
//! * The floor is the newest time of all words about what was forgotten. About a session, a slot or a conversation that is
//!   not known, a word at or before it comes too late.

use rollcall::domain::{Body, ConversationId, Entry, Event, Quota, Time};
use uuid::Uuid;

use super::{Flaw, REMEMBERED, Reference, Said, Whose, is_about_session};

/// Something that ended and is remembered.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Remembered {
    Session(i64, Box<str>),
    Slot(String),
    Conversation(Uuid),
    User(i64),
}

impl Reference {
    /// Whether something unknown cannot be meant by the event, since it may have been forgotten.
    pub(super) fn is_late(&self, event: &Event) -> bool {
        event.fact.time <= self.floor && !event.is_authoritative()
    }

    pub(super) fn is_late_for_slot(&self, event: &Event, conversation: &ConversationId) -> bool {
        let is_known = self.released_since.contains_key(conversation) || self.holders().contains_key(conversation);
        !is_known && self.is_late(event) && !self.has(Flaw::FloorIsForConversationsOnly)
    }

    pub(super) fn knows_session(&self, whose: Whose, session: &str) -> bool {
        let key = (whose, Box::from(session));
        self.closed_since.contains_key(&key) || self.open_sessions().contains_key(&key)
    }

    fn tombstones(&self) -> Vec<(Time, Remembered)> {
        let id = |whose: Whose| self.directory.accounts[whose].id;
        let sessions = self
            .closed_since
            .iter()
            .map(|((whose, name), since)| (*since, Remembered::Session(id(*whose), name.clone())));
        let slots = self.released_since.iter().map(|(c, since)| (*since, Remembered::Slot(c.to_string())));
        let quiet = self.conversations.quiet_since.iter().map(|(c, since)| (*since, Remembered::Conversation(*c)));
        let users = self.directory.accounts.iter().filter(|account| !account.forgotten);
        let users = users.filter_map(|account| Some((account.deleted?, Remembered::User(account.id))));
        let mut all: Vec<_> = sessions.chain(slots).chain(quiet).chain(users).collect();
        all.sort();
        all
    }

    /// Forgets what ended a day before the entry, or too long ago for the room there is.
    pub(super) fn forget(&mut self, entry: &Entry) {
        if self.has(Flaw::NothingIsForgotten) {
            return;
        }
        let named = match &entry.event.fact.body {
            Body::SlotsSynced { conversations, .. } => conversations.len(),
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
        let whose = self.directory.accounts.iter().position(is_theirs)?;
        self.closed_since.remove(&(whose, Box::from(name)));
        self.forget_words(|said| is_about_session(said, whose, name))
    }

    fn forget_slot(&mut self, conversation: &ConversationId) -> Option<Time> {
        self.released_since.remove(conversation);
        self.took.remove(conversation);
        let mut newest = self.forget_words(|said| match said {
            Said::Taken(_, _, about) | Said::Released(_, about) | Said::Gone(about) => about == conversation,
            _ => false,
        });
        for word in &mut self.words {
            if let Said::Synced(_, _, named) = &mut word.said
                && named.remove(conversation)
            {
                newest = newest.max(Some(word.time));
            }
        }
        newest
    }

    fn forget_user(&mut self, user: i64) -> Option<Time> {
        let whose = self.directory.accounts.iter().position(|account| !account.forgotten && account.id == user)?;
        self.directory.forget(whose);
        let about = self.words.iter().filter(|word| match &word.said {
            Said::Presence(w, ..) | Said::Toggle(w, ..) | Said::ClosedAll(w) | Said::Synced(w, ..) => *w == whose,
            _ => false,
        });
        about.map(|word| word.time).chain(self.updated.get(&whose).copied()).max()
    }

    /// Forgets these words; the newest time of them.
    fn forget_words(&mut self, is_meant: impl Fn(&Said) -> bool) -> Option<Time> {
        let newest = self.words.iter().filter(|word| is_meant(&word.said)).map(|word| word.time).max();
        self.words.retain(|word| !is_meant(&word.said));
        newest
    }
}

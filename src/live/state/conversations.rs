//! Conversations: their histories, in the order of time, and the slots that follow.

use std::sync::Arc;

use uuid::Uuid;

use super::State;
use super::endings::Ending;
use super::slots::{Change, Taking};
use crate::domain::conversation::{Moment, What};
use crate::domain::event::Rejection;
use crate::domain::{Body, Conversation, ConversationId, EntityRef, Entry, EventId, Outcome, Quota, Time, UserRef};
use crate::live::conversations::Remembered;
use crate::live::rows::RowKey;

/// A slot that follows what happened.
enum Follows {
    /// It stays as it is.
    Nothing,
    Taken(Taking),
    Changed(Change),
}

impl State {
    /// Puts what happened in its place in the conversation's history, and lets the slot follow. What happened is part of
    /// the history however late it comes, so it is never stale while the conversation is known.
    pub(super) fn converse(&mut self, entry: &Entry) -> Result<Outcome, Rejection> {
        let Some((id, what)) = self.happening(&entry.event.fact.body)? else { return Ok(Outcome::Stale) };
        let is_unknown_user = matches!(&what, What::Pushed { given: Some(_), .. });
        if self.conversations.known(id).is_none() {
            // The mark is a hint of the replica that journalled the event: where the state knows the conversation, it counts for
            // nothing.
            if entry.event.fact.is_final || self.is_late(&entry.event) {
                return if is_unknown_user { Err(Rejection::UnknownUser) } else { Ok(Outcome::Stale) };
            }
            let known = self.conversations.known_len();
            self.check_room(Quota::Conversations, known, known + 1)?;
        }
        // Decided before the history is written, since it may be refused.
        let slot = self.slot_that_follows(entry, id, &what)?;
        let mut outcome = Outcome::Applied;
        if is_unknown_user {
            outcome = Outcome::HolderReleased;
            if !matches!(&slot, Follows::Changed(change) if change.releases()) {
                self.let_slot_follow(slot);
                return Err(Rejection::UnknownUser);
            }
        }
        let (time, seq) = (entry.event.fact.time, entry.seq);
        let moment = Moment { time, seq, id: moment_id(id, &entry.event.id), what };
        // Taken out, so that only what a view holds has to be copied, and not what this batch has changed already.
        let before = self.conversations.take(id);
        let ended_before = before.as_ref().and_then(|known| known.ended);
        let mut conversation = before.map_or_else(|| Arc::new(Conversation::new(id)), |known| known.conversation);
        match Arc::make_mut(&mut conversation).add(moment) {
            Ok(true) => {}
            added => {
                self.conversations.put(Remembered { conversation, ended: ended_before, is_leaving: false });
                return added.map(|_| Outcome::Stale).map_err(|_| Rejection::ConversationFull);
            }
        }
        // What was never started and what is closed would otherwise be kept for good.
        let is_open = conversation.life().is_some_and(|life| life.closing.is_none());
        let ended = (!is_open).then_some(self.recorded);
        self.conversations.put(Remembered { conversation, ended, is_leaving: false });
        self.dirty.insert(RowKey::Conversation(id));
        self.endings.place(Ending::Conversation(id), ended_before, ended);
        self.let_slot_follow(slot);
        Ok(outcome)
    }

    /// What the event says happened, and in which conversation.
    fn happening(&self, body: &Body) -> Result<Option<(Uuid, What)>, Rejection> {
        let id = |user: &UserRef| self.subject(user).map(|ix| self.user_id(ix));
        Ok(Some(match body {
            Body::ConversationStarted { conversation, project, channel } => {
                (*conversation, What::Started { project: *project, medium: *channel })
            }
            Body::ConversationRouted { conversation, routing_rule, routing_group } => {
                (*conversation, What::Routed { rule: *routing_rule, group: *routing_group })
            }
            Body::ConversationPushed { user, conversation, channel, project } => {
                let (user, given) = match (id(user), user) {
                    (Ok(user), _) => (user, None),
                    (Err(_), UserRef::Entity(EntityRef::Id(given))) => (*given, Some(user.clone())),
                    (Err(_), _) => (0, Some(user.clone())),
                };
                (*conversation, What::Pushed { user, given, medium: *channel, project: *project })
            }
            Body::ConversationMessage { user, conversation, author, text } => {
                let user = user.as_ref().map(id).transpose()?;
                (*conversation, What::Message { user, author: author.clone(), text: text.clone() })
            }
            Body::ConversationTransferred { conversation, to_group, to_rule } => {
                (*conversation, What::Transferred { group: *to_group, rule: *to_rule })
            }
            Body::ConversationSnoozed { conversation, until } => (*conversation, What::Snoozed { until: *until }),
            Body::ConversationRemoved { conversation } => (*conversation, What::Removed {}),
            Body::ConversationClosed { conversation, reason } => {
                (*conversation, What::Closed { reason: reason.clone() })
            }
            _ => return Ok(None),
        }))
    }

    /// Decides what becomes of the slot.
    fn slot_that_follows(&self, entry: &Entry, id: Uuid, what: &What) -> Result<Follows, Rejection> {
        let conversation = ConversationId::from(id);
        Ok(match what {
            What::Pushed { given: Some(_), medium, .. } => {
                self.unknown_take(entry, medium.slot(), &conversation).map_or(Follows::Nothing, Follows::Changed)
            }
            What::Pushed { user, medium, .. } => {
                let ix = self.subject(&UserRef::id(*user))?;
                self.taking(entry, ix, medium.slot(), &conversation)?.map_or(Follows::Nothing, Follows::Taken)
            }
            What::Transferred { .. } | What::Snoozed { .. } | What::Removed {} | What::Closed { .. } => {
                self.release(entry, &conversation)?.map_or(Follows::Nothing, Follows::Changed)
            }
            What::Started { .. } | What::Routed { .. } | What::Message { .. } => Follows::Nothing,
        })
    }

    fn let_slot_follow(&mut self, slot: Follows) {
        match slot {
            Follows::Nothing => {}
            Follows::Taken(taking) => {
                self.make_taking(taking);
            }
            Follows::Changed(change) => self.make(change),
        }
    }

    /// Forgets a conversation: a closed one leaves for the archive. Returns the newest event time of its history.
    pub(super) fn forget_conversation(&mut self, id: Uuid) -> Time {
        let Some(known) = self.conversations.known(id) else { return Time::NEVER };
        let newest = known.conversation.moments().last().map_or(Time::NEVER, |moment| moment.time);
        if known.conversation.closing().is_some() {
            let leaving = Remembered { is_leaving: true, ..known.clone() };
            self.conversations.put(leaving);
        } else {
            self.conversations.remove(id);
        }
        self.dirty.insert(RowKey::Conversation(id));
        newest
    }

    /// Whether only the archive can tell if the conversation is final.
    pub fn must_ask_archive(&self, id: Uuid) -> bool {
        self.conversations.get(id).is_none()
    }

    /// Whether the conversation is closed, as far as the state can tell. It may be forgotten by the time at which an event
    /// about it is applied; then it is final, and the event says so.
    pub fn is_closed(&self, id: Uuid) -> bool {
        self.conversations.get(id).is_some_and(|conversation| conversation.closing().is_some())
    }
}

/// The same event always gives the same id, and no two events of a conversation the same.
fn moment_id(conversation: Uuid, event: &EventId) -> Uuid {
    Uuid::new_v5(&conversation, format!("{}\n{}", event.source, event.id).as_bytes())
}

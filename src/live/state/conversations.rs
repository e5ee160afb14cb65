//! Conversations: their histories, in the order of time, and the slots that follow.

use std::sync::Arc;

use uuid::Uuid;

use super::State;
use super::endings::{Ending, TOMBSTONE_SECONDS};
use crate::domain::conversation::{Moment, What};
use crate::domain::event::Rejection;
use crate::domain::{Body, Conversation, ConversationId, Entry, EventId, Outcome, Time, UserRef};
use crate::live::conversations::Remembered;
use crate::live::rows::RowKey;

impl State {
    /// Puts what happened in its place in the conversation's history, and lets the slot follow. What happened is part of
    /// the history however late it comes, so it is never stale until the conversation is final.
    pub(super) fn converse(&mut self, entry: &Entry) -> Result<Outcome, Rejection> {
        let Some((id, what)) = self.happening(&entry.event.fact.body)? else { return Ok(Outcome::Stale) };
        if self.conversations.known(id).is_none() && entry.event.fact.is_final {
            return Ok(Outcome::Stale);
        }
        let (time, seq) = (entry.event.fact.time, entry.seq);
        let moment = Moment { time, seq, id: moment_id(id, &entry.event.id), what: what.clone() };
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
        // What nobody started and what is closed would otherwise be kept for good.
        let is_open = conversation.life().is_some_and(|life| life.closing.is_none());
        let ended = (!is_open).then_some(self.recorded);
        self.conversations.put(Remembered { conversation, ended, is_leaving: false });
        self.dirty.insert(RowKey::Conversation(id));
        self.endings.place(Ending::Conversation(id), ended_before, ended);
        self.let_slot_follow(entry, id, &what)?;
        Ok(Outcome::Applied)
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
                (*conversation, What::Pushed { user: id(user)?, medium: *channel, project: *project })
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

    fn let_slot_follow(&mut self, entry: &Entry, id: Uuid, what: &What) -> Result<(), Rejection> {
        let conversation = ConversationId::from(id);
        match what {
            What::Pushed { user, medium, .. } => {
                self.take_slot(entry, &UserRef::id(*user), medium.slot(), &conversation)?;
            }
            What::Transferred { .. } | What::Snoozed { .. } | What::Removed {} | What::Closed { .. } => {
                self.release_slot(entry, None, &conversation)?;
            }
            What::Started { .. } | What::Routed { .. } | What::Message { .. } => {}
        }
        Ok(())
    }

    /// The tombstone's time is over: a closed conversation leaves for the archive, what was never one is forgotten.
    pub(super) fn forget_conversation(&mut self, id: Uuid, ended: Time) {
        let Some(known) = self.conversations.known(id).filter(|known| known.ended == Some(ended)) else { return };
        if known.conversation.closing().is_some() {
            let leaving = Remembered { is_leaving: true, ..known.clone() };
            self.conversations.put(leaving);
        } else {
            self.conversations.remove(id);
        }
        self.dirty.insert(RowKey::Conversation(id));
    }

    /// Whether only the archive can tell if the conversation is final. An entry that is recorded at `recorded` does not
    /// find in the state what leaves by then.
    pub fn must_ask_archive(&self, id: Uuid, recorded: Time) -> bool {
        let stays =
            |known: &Remembered| known.ended.is_none_or(|ended| ended.plus_seconds(TOMBSTONE_SECONDS) > recorded);
        !self.is_leaving(id, recorded) && !self.conversations.known(id).is_some_and(stays)
    }

    /// Whether the conversation is final for an entry that is recorded at `recorded`, as far as the state can tell.
    pub fn is_leaving(&self, id: Uuid, recorded: Time) -> bool {
        let Some(known) = self.conversations.known(id) else { return self.conversations.leaving(id).is_some() };
        let is_over = known.ended.is_some_and(|ended| ended.plus_seconds(TOMBSTONE_SECONDS) <= recorded);
        is_over && known.conversation.closing().is_some()
    }
}

/// The same event always gives the same id, and no two events of a conversation the same.
fn moment_id(conversation: Uuid, event: &EventId) -> Uuid {
    Uuid::new_v5(&conversation, format!("{}\n{}", event.source, event.id).as_bytes())
}

//! Applies conversation events: adds them to the histories and derives takes and releases of slots from them.

use std::sync::Arc;

use uuid::Uuid;

use super::State;
use super::slots::{PlannedChange, PlannedTake};
use super::tombstones::Tombstone;
use crate::domain::conversation::{HistoryEntry, HistoryEvent};
use crate::domain::event::Rejection;
use crate::domain::{
    Conversation, ConversationId, EntityRef, Entry, EventBody, EventId, Outcome, Quota, Time, UserRef,
};
use crate::live::conversations::Remembered;
use crate::live::stored::RowKey;

/// The effect of a conversation event on the conversation's slot.
enum SlotEffect {
    /// The slot does not change.
    Nothing,
    Taken(PlannedTake),
    Changed(PlannedChange),
}

impl State {
    /// Adds a conversation event to the history and applies its effect on the slot. As long as the conversation is
    /// known, an event belongs to the history however late it arrives, and so is not stale.
    pub(super) fn add_to_history(&mut self, entry: &Entry) -> Result<Outcome, Rejection> {
        let Some((id, event)) = self.history_event(&entry.event.fact.body)? else { return Ok(Outcome::Stale) };
        let is_unknown_user = matches!(&event, HistoryEvent::Pushed { given: Some(_), .. });
        if self.conversations.known(id).is_none() {
            // `is_final` is a hint of the process that journalled the event. If the state knows the conversation, the
            // hint is ignored.
            if entry.event.fact.is_final || self.is_late(&entry.event) {
                return if is_unknown_user { Err(Rejection::UnknownUser) } else { Ok(Outcome::Stale) };
            }
            let known = self.conversations.known_len();
            self.check_room(Quota::Conversations, known, known + 1)?;
        }
        // Planned before the history is changed, since the take may be rejected.
        let slot = self.plan_slot(entry, id, &event)?;
        let mut outcome = Outcome::Applied;
        if is_unknown_user {
            outcome = Outcome::HolderReleased;
            if !matches!(&slot, SlotEffect::Changed(change) if change.releases()) {
                // Rejected, but the take is remembered: an older one that arrives later must not hold the slot.
                self.apply_slot(slot);
                return Err(Rejection::UnknownUser);
            }
        }
        let (time, seq) = (entry.event.fact.time, entry.seq);
        let history_entry = HistoryEntry { time, seq, id: history_entry_id(id, &entry.event.id), event };
        // Removed from the map first: unless a view shares the conversation, this is then its only reference, and
        // `Arc::make_mut` does not copy it.
        let before = self.conversations.take(id);
        let ended_before = before.as_ref().and_then(|known| known.ended);
        let mut conversation = before.map_or_else(|| Arc::new(Conversation::new(id)), |known| known.conversation);
        match Arc::make_mut(&mut conversation).add(history_entry) {
            Ok(true) => {}
            // Nothing was added: the conversation is put back as it was.
            added => {
                self.conversations.put(Remembered { conversation, ended: ended_before, is_leaving: false });
                return added.map(|_| Outcome::Stale).map_err(|_| Rejection::ConversationFull);
            }
        }
        // Conversations that were never started also get a tombstone; otherwise they would be kept for ever.
        let is_open = conversation.summary().is_some_and(|summary| summary.closing.is_none());
        let ended = (!is_open).then_some(self.recorded);
        self.conversations.put(Remembered { conversation, ended, is_leaving: false });
        self.dirty.insert(RowKey::Conversation(id));
        self.tombstones.place(Tombstone::Conversation(id), ended_before, ended);
        self.apply_slot(slot);
        Ok(outcome)
    }

    /// Converts an event to the conversation's id and the entry of its history; `None` for other events.
    fn history_event(&self, body: &EventBody) -> Result<Option<(Uuid, HistoryEvent)>, Rejection> {
        let id = |user: &UserRef| self.subject(user).map(|ix| self.user_id(ix));
        Ok(Some(match body {
            EventBody::ConversationStarted { conversation, project, channel } => {
                (*conversation, HistoryEvent::Started { project: *project, medium: *channel })
            }
            EventBody::ConversationRouted { conversation, routing_rule, routing_group } => {
                (*conversation, HistoryEvent::Routed { rule: *routing_rule, group: *routing_group })
            }
            EventBody::ConversationPushed { user, conversation, channel, project } => {
                let (user, given) = match (id(user), user) {
                    (Ok(user), _) => (user, None),
                    // The contact shows the id as it was given, although the directory does not have the user.
                    (Err(_), UserRef::Entity(EntityRef::Id(given))) => (*given, Some(user.clone())),
                    // The other forms have no integer id to show.
                    (Err(_), _) => (0, Some(user.clone())),
                };
                (*conversation, HistoryEvent::Pushed { user, given, medium: *channel, project: *project })
            }
            EventBody::ConversationMessage { user, conversation, author, text } => {
                let user = user.as_ref().map(id).transpose()?;
                (*conversation, HistoryEvent::Message { user, author: author.clone(), text: text.clone() })
            }
            EventBody::ConversationTransferred { conversation, to_group, to_rule } => {
                (*conversation, HistoryEvent::Transferred { group: *to_group, rule: *to_rule })
            }
            EventBody::ConversationSnoozed { conversation, until } => {
                (*conversation, HistoryEvent::Snoozed { until: *until })
            }
            EventBody::ConversationRemoved { conversation } => (*conversation, HistoryEvent::Removed {}),
            EventBody::ConversationClosed { conversation, reason } => {
                (*conversation, HistoryEvent::Closed { reason: reason.clone() })
            }
            _ => return Ok(None),
        }))
    }

    /// Plans the effect on the conversation's slot, without applying it.
    fn plan_slot(&self, entry: &Entry, id: Uuid, event: &HistoryEvent) -> Result<SlotEffect, Rejection> {
        let conversation = ConversationId::from(id);
        Ok(match event {
            HistoryEvent::Pushed { given: Some(_), medium, .. } => {
                self.unknown_take(entry, medium.slot(), &conversation).map_or(SlotEffect::Nothing, SlotEffect::Changed)
            }
            HistoryEvent::Pushed { user, medium, .. } => {
                let ix = self.subject(&UserRef::id(*user))?;
                self.plan_take(entry, ix, medium.slot(), &conversation)?.map_or(SlotEffect::Nothing, SlotEffect::Taken)
            }
            HistoryEvent::Transferred { .. }
            | HistoryEvent::Snoozed { .. }
            | HistoryEvent::Removed {}
            | HistoryEvent::Closed { .. } => {
                self.release(entry, &conversation)?.map_or(SlotEffect::Nothing, SlotEffect::Changed)
            }
            HistoryEvent::Started { .. } | HistoryEvent::Routed { .. } | HistoryEvent::Message { .. } => {
                SlotEffect::Nothing
            }
        })
    }

    fn apply_slot(&mut self, slot: SlotEffect) {
        match slot {
            SlotEffect::Nothing => {}
            SlotEffect::Taken(take) => {
                self.apply_take(take);
            }
            SlotEffect::Changed(change) => self.apply_change(change),
        }
    }

    /// Drops a conversation from the state; a closed one stays readable until it is archived. Returns the newest event
    /// time of its history.
    pub(super) fn forget_conversation(&mut self, id: Uuid) -> Time {
        let Some(known) = self.conversations.known(id) else { return Time::NEVER };
        let newest = known.conversation.history().last().map_or(Time::NEVER, |entry| entry.time);
        if known.conversation.closing().is_some() {
            let leaving = Remembered { is_leaving: true, ..known.clone() };
            self.conversations.put(leaving);
        } else {
            self.conversations.remove(id);
        }
        self.dirty.insert(RowKey::Conversation(id));
        newest
    }

    /// Returns true if the conversation is not remembered, so that only the archive can decide if it is final.
    pub fn must_read_archive(&self, id: Uuid) -> bool {
        self.conversations.get(id).is_none()
    }

    /// Returns true if the conversation is remembered as closed. It may be dropped before an event about it is applied;
    /// then it is final, and the event is marked so.
    pub fn is_closed(&self, id: Uuid) -> bool {
        self.conversations.get(id).is_some_and(|conversation| conversation.closing().is_some())
    }
}

/// Derives the id of a history entry from its event: always the same for one event, and unique within a conversation.
fn history_entry_id(conversation: Uuid, event: &EventId) -> Uuid {
    Uuid::new_v5(&conversation, format!("{}\n{}", event.source, event.id).as_bytes())
}

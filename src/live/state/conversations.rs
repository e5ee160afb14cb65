//! Applies conversation events: adds them to the histories and derives takes and releases of slots from them.

use std::sync::Arc;

use uuid::Uuid;

use super::State;
use super::slots::SlotPlan;
use super::tombstones::Tombstone;
use crate::domain::conversation::{HistoryEntry, HistoryEvent};
use crate::domain::event::Rejection;
use crate::domain::{
    Conversation, ConversationId, EntityRef, Entry, EventBody, EventId, Outcome, Quota, Time, UserRef,
};
use crate::live::conversations::Remembered;
use crate::live::stored::RowKey;

impl State {
    /// Adds a conversation event to the history and applies its effect on the slot. As long as the conversation is
    /// known, an event belongs to the history however late it arrives, and so is not stale.
    ///
    /// The limits of histories concern the history alone: the slot follows an event for which the history has no room
    /// (docs/decisions/0064-ends-take-effect.md).
    pub(super) fn add_to_history(&mut self, entry: &Entry) -> Result<Outcome, Rejection> {
        let Some((id, mut event)) = self.history_event(&entry.event.fact.body)? else { return Ok(Outcome::Stale) };
        // `is_final` is a hint of the process that journalled the event. If the state knows the conversation, the hint
        // is ignored.
        let is_over =
            self.conversations.known(id).is_none() && (entry.event.fact.is_final || self.is_late(&entry.event));
        if is_over && !event.ends_contact() {
            let is_unknown_user = matches!(&event, HistoryEvent::Pushed { given: Some(_), .. });
            return if is_unknown_user { Err(Rejection::UnknownUser) } else { Ok(Outcome::Stale) };
        }
        // Planned before the history is changed: a take that is refused is no contact, unless it ends another's claim.
        let (slot, refused) = self.plan_slot(entry, id, &event)?;
        let releases = slot.as_ref().is_some_and(SlotPlan::releases);
        if let Some(refused) = refused.clone().filter(|_| !releases) {
            // The take is remembered all the same: an older one that arrives later must not hold the slot.
            slot.map(|slot| self.apply_slot(slot));
            return Err(refused);
        }
        if let HistoryEvent::Pushed { untaken, .. } = &mut event {
            *untaken = !matches!(slot, Some(SlotPlan::Taken(_)));
        }
        let added = if is_over { Ok(true) } else { self.record(entry, id, event) };
        if added == Ok(false) {
            return Ok(Outcome::Stale);
        }
        let changed = slot.map(|slot| self.apply_slot(slot));
        match added {
            Err(full) if changed == Some(Outcome::Applied) => Ok(Outcome::SlotOnly(full)),
            Err(full) => Err(full),
            // Only the slot could change: the conversation itself is no longer in the state.
            Ok(_) if is_over => Ok(changed.unwrap_or(Outcome::Stale)),
            Ok(_) => Ok(refused.map_or(Outcome::Applied, Outcome::HolderReleased)),
        }
    }

    /// Adds an event to the history of its conversation. Returns false if the history has it already; rejected if there
    /// is no room for it.
    fn record(&mut self, entry: &Entry, id: Uuid, event: HistoryEvent) -> Result<bool, Rejection> {
        if self.conversations.known(id).is_none() {
            let known = self.conversations.known_len();
            self.check_room(Quota::Conversations, known, known + 1)?;
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
                return added.map_err(|_| Rejection::ConversationFull);
            }
        }
        // Conversations that were never started also get a tombstone; otherwise they would be kept for ever.
        let is_open = conversation.summary().is_some_and(|summary| summary.closing.is_none());
        let ended = (!is_open).then_some(self.recorded);
        self.conversations.put(Remembered { conversation, ended, is_leaving: false });
        self.dirty.insert(RowKey::Conversation(id));
        self.tombstones.place(Tombstone::Conversation(id), ended_before, ended);
        Ok(true)
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
                (
                    *conversation,
                    HistoryEvent::Pushed { user, given, medium: *channel, project: *project, untaken: false },
                )
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

    /// Plans the effect on the conversation's slot, without applying it; `None` if there is none. The rejection is that
    /// of a push whose take is refused.
    fn plan_slot(
        &self,
        entry: &Entry,
        id: Uuid,
        event: &HistoryEvent,
    ) -> Result<(Option<SlotPlan>, Option<Rejection>), Rejection> {
        let conversation = ConversationId::from(id);
        Ok(match event {
            HistoryEvent::Pushed { given: Some(_), medium, .. } => {
                (self.refused_take(entry, medium.slot(), &conversation), Some(Rejection::UnknownUser))
            }
            HistoryEvent::Pushed { user, medium, .. } => {
                let ix = self.subject(&UserRef::id(*user))?;
                self.plan_take(entry, ix, medium.slot(), &conversation)
            }
            event if event.ends_contact() => (self.plan_release(entry, &conversation), None),
            _ => (None, None),
        })
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

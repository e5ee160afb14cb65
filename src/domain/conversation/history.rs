//! The history of one conversation, in order of time, and the lifecycle derived from it.

use std::collections::HashSet;

use serde::{Deserialize, Serialize, Serializer};
use uuid::Uuid;

use super::Medium;
use crate::domain::{EntityRef, Time, UserRef};

/// Maximum number of messages, and of other entries, in one history. A history is kept in memory and returned as a
/// whole, so it needs a bound.
const MAX_ENTRIES: usize = 1_000;
/// Maximum length of a history: messages, other entries, and one close more.
pub const MAX_HISTORY: usize = 2 * MAX_ENTRIES + 1;

/// One entry of a history.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HistoryEntry {
    /// Time of the event.
    pub time: Time,
    /// Position of the event in the journal. It orders entries of equal time.
    pub seq: u64,
    /// Id of the entry, derived from the id of its event.
    pub id: Uuid,
    /// Type and data of the entry.
    #[serde(rename = "what")]
    pub event: HistoryEvent,
}

/// The events of a conversation (docs/reference/events.md, "Conversations"). Users are resolved to integer ids;
/// projects, rules and groups stay as the event named them, since they may be added to the directory later.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HistoryEvent {
    /// The conversation started.
    Started {
        /// Project (web site) of the conversation.
        project: EntityRef,
        /// Medium on which it takes place.
        medium: Medium,
    },
    /// The conversation was routed: a rule or a group is to find a user for it.
    Routed {
        /// The routing rule, if the event named one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        rule: Option<EntityRef>,
        /// The routing group, if the event named one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        group: Option<EntityRef>,
    },
    /// A contact with a user began.
    Pushed {
        /// The user; 0 if the user was not in the directory and the event gave no integer id.
        user: i64,
        /// The reference in the event, if the user was not in the directory.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        given: Option<UserRef>,
        /// Medium on which it takes place.
        medium: Medium,
        /// Project (web site) of the conversation, if the event named it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        project: Option<EntityRef>,
        /// True if the push took no slot: its take was refused, or came too late.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        untaken: bool,
    },
    /// A participant sent a message.
    Message {
        /// The user by integer id, if a user is the author.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        user: Option<i64>,
        /// The author, as the source names it.
        author: Box<str>,
        /// The text, if the tenant keeps texts.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        text: Option<Box<str>>,
    },
    /// The contact ended: another user is to take over.
    Transferred {
        /// Routing group that is to find the user.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        group: Option<EntityRef>,
        /// Routing rule that is to find the user.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        rule: Option<EntityRef>,
    },
    /// The contact ended: the conversation is to resume later.
    Snoozed {
        /// Time at which it is to resume.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<Time>,
    },
    /// The contact ended without a stated reason.
    Removed {},
    /// The contact and the conversation ended.
    Closed {
        /// The reason, as the source gave it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<Box<str>>,
    },
}

impl HistoryEvent {
    /// Returns true if the event ends the contact, and with it the slot.
    pub const fn ends_contact(&self) -> bool {
        match self {
            HistoryEvent::Transferred { .. }
            | HistoryEvent::Snoozed { .. }
            | HistoryEvent::Removed {}
            | HistoryEvent::Closed { .. } => true,
            HistoryEvent::Started { .. }
            | HistoryEvent::Routed { .. }
            | HistoryEvent::Pushed { .. }
            | HistoryEvent::Message { .. } => false,
        }
    }
}

/// A user as an entry of a history names it. An integer id can be given again, so the entry's position belongs to the
/// identity: it means the user that had the id then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct NamedUser {
    /// The user's integer id.
    pub id: i64,
    /// Journal position of the entry.
    pub at: u64,
}

/// The end of a conversation.
#[derive(Clone, Debug, PartialEq)]
pub struct Closing {
    /// Time of the closing event.
    pub time: Time,
    /// The reason, as the source gave it.
    pub reason: Option<Box<str>>,
}

/// The lifecycle of a conversation, derived from its whole history.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// Time at which it was started or first pushed, whichever came first.
    pub created: Time,
    /// Medium of its newest start, else of its first push.
    pub medium: Medium,
    /// Project of its newest start, else of the first push that names one.
    pub project: Option<EntityRef>,
    /// Its end, unless it was started or pushed afterwards.
    pub closing: Option<Closing>,
}

/// Error: the history has reached its maximum length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

/// One conversation with its history.
#[derive(Clone, Debug, PartialEq)]
pub struct Conversation {
    id: Uuid,
    history: Vec<HistoryEntry>,
    /// Derived from `history`; cached, since every list reads it.
    summary: Option<Summary>,
}

impl Conversation {
    /// Creates a conversation with an empty history.
    pub fn new(id: Uuid) -> Self {
        Conversation { id, history: Vec::new(), summary: None }
    }

    /// Creates a conversation from its history, given in any order.
    pub fn with(id: Uuid, mut history: Vec<HistoryEntry>) -> Self {
        history.sort_by_key(|entry| (entry.time, entry.seq));
        let summary = summarise(&history);
        Conversation { id, history, summary }
    }

    /// The id of the conversation.
    pub fn id(&self) -> Uuid {
        self.id
    }

    /// Inserts an entry in order of time. Returns false if the history contains its id already, and [`Full`] if the
    /// history is at its maximum length. A close that ends an open conversation is inserted regardless.
    pub fn add(&mut self, entry: HistoryEntry) -> Result<bool, Full> {
        // A history is bounded, so a search through all of it is fast enough.
        if self.history.iter().any(|known| known.id == entry.id) {
            return Ok(false);
        }
        let place = self.history.partition_point(|known| (known.time, known.seq) < (entry.time, entry.seq));
        let is_message = |event: &HistoryEvent| matches!(event, HistoryEvent::Message { .. });
        let sort = is_message(&entry.event);
        // A full conversation that could not be closed would stay open, and occupy its slot, for ever.
        let opens =
            |known: &HistoryEntry| matches!(known.event, HistoryEvent::Started { .. } | HistoryEvent::Pushed { .. });
        let closes = matches!(entry.event, HistoryEvent::Closed { .. })
            && self.summary.as_ref().is_some_and(|summary| summary.closing.is_none())
            && !self.history[place..].iter().any(opens);
        // The total is compared first, since counting one sort walks through the whole history.
        if self.history.len() >= MAX_ENTRIES
            && !closes
            && self.history.iter().filter(|known| is_message(&known.event) == sort).count() >= MAX_ENTRIES
        {
            return Err(Full);
        }
        self.history.insert(place, entry);
        self.summary = summarise(&self.history);
        Ok(true)
    }

    /// The history, ascending by time, then by position in the journal.
    pub fn history(&self) -> &[HistoryEntry] {
        &self.history
    }

    /// The lifecycle; `None` until the conversation was started or pushed.
    pub fn summary(&self) -> Option<&Summary> {
        self.summary.as_ref()
    }

    /// The end, if the conversation was closed and neither started nor pushed afterwards.
    pub fn closing(&self) -> Option<&Closing> {
        self.summary()?.closing.as_ref()
    }

    /// Returns true if the history contains a close, even if the conversation is open again.
    pub fn was_closed(&self) -> bool {
        self.history.iter().any(|entry| matches!(entry.event, HistoryEvent::Closed { .. }))
    }

    /// The highest journal position in the history; 0 if it is empty.
    pub fn position(&self) -> u64 {
        self.history.iter().map(|entry| entry.seq).max().unwrap_or_default()
    }

    /// Approximate size in bytes of the conversation as JSON. Pages and slices of checkpoints are limited by it.
    pub fn weight(&self) -> usize {
        let bytes = |entry: &HistoryEntry| match &entry.event {
            HistoryEvent::Message { text: Some(text), .. } => 150 + text.len(),
            _ => 150,
        };
        100 + self.history.iter().map(bytes).sum::<usize>()
    }

    /// Returns true if a push to the user took the slot, at a position from `since` on.
    pub fn was_taken_by(&self, user: i64, since: u64) -> bool {
        let is_theirs = |entry: &HistoryEntry| match entry.event {
            HistoryEvent::Pushed { user: taker, untaken, .. } => taker == user && !untaken && entry.seq >= since,
            _ => false,
        };
        self.history.iter().any(is_theirs)
    }

    /// The users of its pushes, in the order of time. Users without an integer id are left out.
    pub fn pushed_to(&self) -> impl Iterator<Item = NamedUser> {
        self.history.iter().filter_map(|entry| match entry.event {
            HistoryEvent::Pushed { user, .. } if user != 0 => Some(NamedUser { id: user, at: entry.seq }),
            _ => None,
        })
    }

    /// The integer ids of the users it was pushed to, without duplicates, in the order of their first contacts.
    pub fn users(&self) -> Vec<i64> {
        let mut seen = HashSet::new();
        self.pushed_to().map(|user| user.id).filter(|id| seen.insert(*id)).collect()
    }
}

/// The stored form. It lacks the id, which is the key of its row. The derived members are for people who read the row
/// and are not read back.
#[derive(Serialize)]
struct Stored<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    channel: Option<Medium>,
    #[serde(skip_serializing_if = "Option::is_none")]
    created: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    closed: Option<Time>,
    #[serde(rename = "moments")]
    history: &'a [HistoryEntry],
}

impl Serialize for Conversation {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let summary = self.summary();
        let stored = Stored {
            channel: summary.map(|summary| summary.medium),
            created: summary.map(|summary| summary.created),
            closed: self.closing().map(|closing| closing.time),
            history: &self.history,
        };
        stored.serialize(serializer)
    }
}

/// Derives the lifecycle: a start or a push opens the conversation, the first close after that closes it.
fn summarise(history: &[HistoryEntry]) -> Option<Summary> {
    let mut summary: Option<Summary> = None;
    let mut is_started = false;
    for HistoryEntry { time, event, .. } in history {
        match event {
            HistoryEvent::Started { project, medium } => {
                let summary = open(&mut summary, *time, *medium);
                (summary.medium, summary.project, is_started) = (*medium, Some(*project), true);
            }
            HistoryEvent::Pushed { medium, project, .. } => {
                let summary = open(&mut summary, *time, *medium);
                if !is_started && summary.project.is_none() {
                    summary.project = *project;
                }
            }
            HistoryEvent::Closed { reason } => {
                if let Some(summary) = summary.as_mut().filter(|summary| summary.closing.is_none()) {
                    summary.closing = Some(Closing { time: *time, reason: reason.clone() });
                }
            }
            _ => {}
        }
    }
    summary
}

fn open(summary: &mut Option<Summary>, created: Time, medium: Medium) -> &mut Summary {
    let summary = summary.get_or_insert(Summary { created, medium, project: None, closing: None });
    summary.closing = None;
    summary
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(seconds: i64, seq: u64, event: HistoryEvent) -> HistoryEntry {
        HistoryEntry { time: Time::from_micros(seconds * 1_000_000), seq, id: Uuid::from_u128(seq.into()), event }
    }

    fn pushed(user: i64) -> HistoryEvent {
        HistoryEvent::Pushed { user, given: None, medium: Medium::Chat, project: None, untaken: false }
    }

    fn closed() -> HistoryEvent {
        HistoryEvent::Closed { reason: None }
    }

    fn with_history(history: impl IntoIterator<Item = HistoryEntry>) -> Conversation {
        let mut conversation = Conversation::new(Uuid::nil());
        for entry in history {
            assert_eq!(conversation.add(entry), Ok(true));
        }
        conversation
    }

    fn closed_at(conversation: &Conversation) -> Option<i64> {
        conversation.closing().map(|closing| closing.time.micros() / 1_000_000)
    }

    #[test]
    fn a_close_alone_opens_no_conversation() {
        let conversation = with_history([entry(5, 1, closed())]);
        assert_eq!(conversation.summary(), None);
        assert!(conversation.was_closed());
    }

    #[test]
    fn a_close_applies_by_its_time_not_its_arrival() {
        let conversation = with_history([entry(10, 1, closed()), entry(5, 2, pushed(1)), entry(12, 3, closed())]);
        assert_eq!(closed_at(&conversation), Some(10), "the first after the last push");
        let conversation = with_history([entry(5, 1, pushed(1)), entry(10, 2, closed()), entry(11, 3, pushed(2))]);
        assert_eq!(closed_at(&conversation), None, "it goes on");
        assert_eq!(conversation.users(), [1, 2]);
    }

    #[test]
    fn equal_times_are_ordered_by_journal_position() {
        let conversation = with_history([entry(5, 1, closed()), entry(5, 2, pushed(1))]);
        assert_eq!(closed_at(&conversation), None);
        let conversation = with_history([entry(5, 1, pushed(1)), entry(5, 2, closed())]);
        assert_eq!(closed_at(&conversation), Some(5));
    }

    #[test]
    fn a_start_overrides_medium_and_project_of_a_push() {
        let project = EntityRef::Id(7);
        let project_8 = Some(EntityRef::Id(8));
        let push =
            HistoryEvent::Pushed { user: 1, given: None, medium: Medium::Chat, project: project_8, untaken: false };
        let conversation = with_history([
            entry(5, 1, push),
            entry(6, 2, HistoryEvent::Started { project, medium: Medium::Sms }),
            entry(7, 3, pushed(1)),
        ]);
        let summary = conversation.summary().unwrap();
        assert_eq!((summary.medium, summary.project), (Medium::Sms, Some(project)));
        assert_eq!(summary.created.micros(), 5_000_000);
    }

    #[test]
    fn repeated_entries_are_ignored_and_messages_are_limited() {
        let mut conversation = with_history([entry(5, 1, pushed(1))]);
        assert_eq!(conversation.add(entry(9, 1, closed())), Ok(false));
        let message = |seq| entry(6, seq, HistoryEvent::Message { user: None, author: "visitor".into(), text: None });
        for seq in 2..1_002 {
            assert_eq!(conversation.add(message(seq)), Ok(true));
        }
        assert_eq!(conversation.add(message(5_000)), Err(Full));
        assert_eq!(conversation.add(entry(7, 5_000, closed())), Ok(true), "messages do not keep it open");
        assert_eq!(conversation.position(), 5_000);
    }

    #[test]
    fn a_full_conversation_can_be_closed_once() {
        let mut conversation = with_history((1..1_001).map(|seq| entry(5, seq, pushed(1))));
        assert_eq!(conversation.add(entry(6, 2_000, HistoryEvent::Removed {})), Err(Full));
        assert_eq!(conversation.add(entry(4, 2_000, closed())), Err(Full), "this would not close it");
        assert_eq!(conversation.add(entry(6, 2_000, closed())), Ok(true));
        assert_eq!(closed_at(&conversation), Some(6));
        assert_eq!(conversation.add(entry(7, 2_001, closed())), Err(Full));
        assert_eq!(conversation.add(entry(7, 2_001, pushed(1))), Err(Full));
    }

    #[test]
    fn histories_survive_json() {
        let events = [
            HistoryEvent::Started { project: EntityRef::Id(7), medium: Medium::Chat },
            HistoryEvent::Routed { rule: None, group: Some(EntityRef::Guid(Uuid::nil())) },
            pushed(3),
            HistoryEvent::Snoozed { until: None },
            HistoryEvent::Removed {},
            closed(),
        ];
        let history: Vec<_> = (1..).zip(events).map(|(n, event)| entry(n, n as u64, event)).collect();
        let json = serde_json::to_string(&history).unwrap();
        assert_eq!(serde_json::from_str::<Vec<HistoryEntry>>(&json).unwrap(), history);
        assert!(json.contains(r#""what":{"pushed":{"user":3,"medium":"CHAT"}}"#), "{json}");
    }
}

//! The remembered conversations: every open one, and closed ones until they are archived.
//!
//! Stored in persistent maps: a view's copy costs O(1), and a change copies only the path to the changed entry.

use std::ops::Bound;
use std::sync::Arc;

use rpds::RedBlackTreeMapSync;
use uuid::Uuid;

use super::persistent::{Map, steps};
use crate::domain::conversation::Key;
use crate::domain::{Conversation, Time};

/// A remembered conversation.
#[derive(Clone, Debug, PartialEq)]
pub struct Remembered {
    /// The conversation with its history.
    pub conversation: Arc<Conversation>,
    /// Recorded time of the newest entry about it, if it is not open. Its tombstone's term starts then.
    pub ended: Option<Time>,
    /// True if its tombstone has expired, so that it is no longer part of the state. Readers still find it here until
    /// the archive has it.
    pub is_leaving: bool,
}

/// The conversations of one list, in the order of their keys.
type List = RedBlackTreeMapSync<Key, Arc<Conversation>>;

/// All remembered conversations, with the lists of open and closed ones.
#[derive(Clone, Debug, Default)]
pub struct Conversations {
    all: Map<Uuid, Remembered>,
    /// Number of conversations in `all` with `is_leaving`.
    leaving: usize,
    open: List,
    closed: List,
}

impl Conversations {
    /// The number of remembered conversations, including those leaving the state.
    pub fn count(&self) -> usize {
        self.all.len()
    }

    /// A remembered conversation, even if it is leaving the state.
    pub fn get(&self, id: Uuid) -> Option<&Arc<Conversation>> {
        self.all.get(&id).map(|known| &known.conversation)
    }

    /// A conversation that is part of the state.
    pub fn known(&self, id: Uuid) -> Option<&Remembered> {
        self.all.get(&id).filter(|known| !known.is_leaving)
    }

    /// The number of conversations that are part of the state.
    pub fn known_len(&self) -> usize {
        self.all.len() - self.leaving
    }

    /// Iterates over the conversations that are part of the state.
    pub fn iter(&self) -> impl Iterator<Item = (&Uuid, &Remembered)> {
        self.all.iter().filter(|(_, known)| !known.is_leaving)
    }

    /// A conversation that has left the state and waits to be archived.
    pub fn leaving(&self, id: Uuid) -> Option<&Arc<Conversation>> {
        self.all.get(&id).filter(|known| known.is_leaving).map(|known| &known.conversation)
    }

    /// Iterates over the open conversations between two keys, in order.
    pub fn open(
        &self,
        from: Bound<Key>,
        to: Bound<Key>,
    ) -> impl DoubleEndedIterator<Item = (&Key, &Arc<Conversation>)> {
        self.open.range((from, to))
    }

    /// Iterates over the closed conversations between two keys, in order.
    pub fn closed(
        &self,
        from: Bound<Key>,
        to: Bound<Key>,
    ) -> impl DoubleEndedIterator<Item = (&Key, &Arc<Conversation>)> {
        self.closed.range((from, to))
    }

    /// Inserts or replaces a conversation and lists it under its current key.
    pub fn put(&mut self, known: Remembered) {
        let id = known.conversation.id();
        self.unlist(id);
        self.leaving += usize::from(known.is_leaving);
        if let Some(summary) = known.conversation.summary() {
            let list = if summary.closing.is_some() { &mut self.closed } else { &mut self.open };
            list.insert_mut(Key::of(summary, id), known.conversation.clone());
        }
        self.all.insert(id, known);
    }

    /// Removes and returns a conversation that is part of the state.
    pub fn take(&mut self, id: Uuid) -> Option<Remembered> {
        let known = self.known(id)?.clone();
        self.remove(id);
        Some(known)
    }

    /// Removes a conversation, part of the state or not.
    pub fn remove(&mut self, id: Uuid) {
        self.unlist(id);
        self.all.remove(&id);
    }

    /// Removes a conversation from its list, by the key that its current lifecycle gives. Must be called before the
    /// lifecycle is replaced.
    fn unlist(&mut self, id: Uuid) {
        let Some(known) = self.all.get(&id) else { return };
        self.leaving -= usize::from(known.is_leaving);
        let Some(summary) = known.conversation.summary() else { return };
        steps::count(1);
        let list = if summary.closing.is_some() { &mut self.closed } else { &mut self.open };
        list.remove_mut(&Key::of(summary, id));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::conversation::{HistoryEntry, HistoryEvent, Medium};

    fn remembered(id: u128, events: &[(i64, HistoryEvent)]) -> Remembered {
        let entry = |(n, (millis, event)): (usize, &(i64, HistoryEvent))| HistoryEntry {
            time: Time::from_micros(millis * 1_000),
            seq: n as u64 + 1,
            id: Uuid::from_u128(n as u128),
            event: event.clone(),
        };
        let history = events.iter().enumerate().map(entry).collect();
        let conversation = Arc::new(Conversation::with(Uuid::from_u128(id), history));
        Remembered { conversation, ended: None, is_leaving: false }
    }

    fn pushed() -> HistoryEvent {
        HistoryEvent::Pushed { user: 1, given: None, medium: Medium::Chat, project: None, untaken: false }
    }

    fn ids(list: impl Iterator<Item = (Key, Uuid)>) -> Vec<u128> {
        list.map(|(key, id)| {
            assert_eq!(key.id, id);
            id.as_u128()
        })
        .collect()
    }

    fn lists(known: &Conversations) -> [Vec<u128>; 2] {
        let all = (Bound::Unbounded, Bound::Unbounded);
        [
            ids(known.open(all.0, all.1).map(|(key, c)| (*key, c.id()))),
            ids(known.closed(all.0, all.1).map(|(key, c)| (*key, c.id()))),
        ]
    }

    #[test]
    fn each_conversation_is_listed_once_under_its_newest_key() {
        let mut known = Conversations::default();
        let closed = HistoryEvent::Closed { reason: None };
        known.put(remembered(2, &[(10, pushed())]));
        known.put(remembered(1, &[(10, pushed())]));
        known.put(remembered(3, &[(5, pushed()), (30, closed.clone())]));
        known.put(remembered(4, &[(20, closed.clone())]));
        assert_eq!(lists(&known), [vec![1, 2], vec![3]], "a close alone is in no list");
        let before = known.clone();
        known.put(remembered(2, &[(10, pushed()), (25, closed.clone())]));
        known.put(remembered(3, &[(5, pushed()), (30, closed), (40, pushed())]));
        known.put(remembered(1, &[(12, pushed())]));
        assert_eq!(lists(&known), [vec![3, 1], vec![2]]);
        known.remove(Uuid::from_u128(2));
        assert_eq!(lists(&known), [vec![3, 1], vec![]]);
        assert_eq!(lists(&before), [vec![1, 2], vec![3]], "a clone is unchanged");
    }

    #[test]
    fn leaving_conversations_are_readable_but_not_part_of_the_state() {
        let mut known = Conversations::default();
        known.put(Remembered { is_leaving: true, ..remembered(1, &[(10, pushed())]) });
        assert!(known.get(Uuid::from_u128(1)).is_some());
        assert_eq!(known.known(Uuid::from_u128(1)), None);
        assert_eq!((known.iter().count(), known.known_len()), (0, 0));
        known.remove(Uuid::from_u128(1));
        assert_eq!(known.known_len(), 0);
    }
}

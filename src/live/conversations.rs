//! The conversations that are remembered: every open one, and those that closed not long ago.
//!
//! Persistent maps: a view's copy costs nothing, and a change copies only the way to what changed.

use std::ops::Bound;
use std::sync::Arc;

use rpds::RedBlackTreeMapSync;
use uuid::Uuid;

use super::persistent::{Map, steps};
use crate::domain::conversation::Key;
use crate::domain::{Conversation, Time};

/// What is remembered of one conversation.
#[derive(Clone, Debug, PartialEq)]
pub struct Remembered {
    /// What happened in it.
    pub conversation: Arc<Conversation>,
    /// While it is not open: when that was last recorded, for the tombstone.
    pub ended: Option<Time>,
    /// It is past its tombstone, and no longer part of the state; readers find it here until the archive has it.
    pub is_leaving: bool,
}

/// The conversations of a list, in order.
type List = RedBlackTreeMapSync<Key, Arc<Conversation>>;

/// Every conversation that is remembered.
#[derive(Clone, Debug, Default)]
pub struct Conversations {
    all: Map<Uuid, Remembered>,
    /// How many of them leave.
    leaving: usize,
    open: List,
    closed: List,
}

impl Conversations {
    /// How many are remembered.
    pub fn count(&self) -> usize {
        self.all.len()
    }

    /// One that is remembered, part of the state or not.
    pub fn get(&self, id: Uuid) -> Option<&Arc<Conversation>> {
        self.all.get(&id).map(|known| &known.conversation)
    }

    /// What the state knows of one.
    pub fn known(&self, id: Uuid) -> Option<&Remembered> {
        self.all.get(&id).filter(|known| !known.is_leaving)
    }

    /// The number of those that the state knows.
    pub fn known_len(&self) -> usize {
        self.all.len() - self.leaving
    }

    /// Every one that the state knows.
    pub fn iter(&self) -> impl Iterator<Item = (&Uuid, &Remembered)> {
        self.all.iter().filter(|(_, known)| !known.is_leaving)
    }

    /// One that leaves.
    pub fn leaving(&self, id: Uuid) -> Option<&Arc<Conversation>> {
        self.all.get(&id).filter(|known| known.is_leaving).map(|known| &known.conversation)
    }

    /// The open ones between two places, in order.
    pub fn open(
        &self,
        from: Bound<Key>,
        to: Bound<Key>,
    ) -> impl DoubleEndedIterator<Item = (&Key, &Arc<Conversation>)> {
        self.open.range((from, to))
    }

    /// The closed ones between two places, in order.
    pub fn closed(
        &self,
        from: Bound<Key>,
        to: Bound<Key>,
    ) -> impl DoubleEndedIterator<Item = (&Key, &Arc<Conversation>)> {
        self.closed.range((from, to))
    }

    /// Puts one in place, or in another place than before.
    pub fn put(&mut self, known: Remembered) {
        let id = known.conversation.id();
        self.unlist(id);
        self.leaving += usize::from(known.is_leaving);
        if let Some(life) = known.conversation.life() {
            let list = if life.closing.is_some() { &mut self.closed } else { &mut self.open };
            list.insert_mut(Key::of(life, id), known.conversation.clone());
        }
        self.all.insert(id, known);
    }

    /// Takes out one that the state knows.
    pub fn take(&mut self, id: Uuid) -> Option<Remembered> {
        let known = self.known(id)?.clone();
        self.remove(id);
        Some(known)
    }

    /// Forgets one.
    pub fn remove(&mut self, id: Uuid) {
        self.unlist(id);
        self.all.remove(&id);
    }

    fn unlist(&mut self, id: Uuid) {
        let Some(known) = self.all.get(&id) else { return };
        self.leaving -= usize::from(known.is_leaving);
        let Some(life) = known.conversation.life() else { return };
        steps::count(1);
        let list = if life.closing.is_some() { &mut self.closed } else { &mut self.open };
        list.remove_mut(&Key::of(life, id));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::conversation::{Medium, Moment, What};

    fn told(id: u128, whats: &[(i64, What)]) -> Remembered {
        let moment = |(n, (millis, what)): (usize, &(i64, What))| Moment {
            time: Time::from_micros(millis * 1_000),
            seq: n as u64 + 1,
            id: Uuid::from_u128(n as u128),
            what: what.clone(),
        };
        let moments = whats.iter().enumerate().map(moment).collect();
        let conversation = Arc::new(Conversation::with(Uuid::from_u128(id), moments));
        Remembered { conversation, ended: None, is_leaving: false }
    }

    fn pushed() -> What {
        What::Pushed { user: 1, given: None, medium: Medium::Chat, project: None }
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
    fn each_is_in_one_list_and_in_one_place() {
        let mut known = Conversations::default();
        let closed = What::Closed { reason: None };
        known.put(told(2, &[(10, pushed())]));
        known.put(told(1, &[(10, pushed())]));
        known.put(told(3, &[(5, pushed()), (30, closed.clone())]));
        known.put(told(4, &[(20, closed.clone())]));
        assert_eq!(lists(&known), [vec![1, 2], vec![3]], "a close alone is in no list");
        let before = known.clone();
        known.put(told(2, &[(10, pushed()), (25, closed.clone())]));
        known.put(told(3, &[(5, pushed()), (30, closed), (40, pushed())]));
        known.put(told(1, &[(12, pushed())]));
        assert_eq!(lists(&known), [vec![3, 1], vec![2]]);
        known.remove(Uuid::from_u128(2));
        assert_eq!(lists(&known), [vec![3, 1], vec![]]);
        assert_eq!(lists(&before), [vec![1, 2], vec![3]], "a view keeps what it saw");
    }

    #[test]
    fn what_leaves_is_read_and_not_known() {
        let mut known = Conversations::default();
        known.put(Remembered { is_leaving: true, ..told(1, &[(10, pushed())]) });
        assert!(known.get(Uuid::from_u128(1)).is_some());
        assert_eq!(known.known(Uuid::from_u128(1)), None);
        assert_eq!((known.iter().count(), known.known_len()), (0, 0));
        known.remove(Uuid::from_u128(1));
        assert_eq!(known.known_len(), 0);
    }
}

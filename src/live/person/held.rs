//! The conversations that one user holds.

use crate::domain::{Channel, ConversationId};
use crate::live::tight;

/// The conversations held by one user, by channel. At most as many as one `slots.synced` can name, over all channels.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Held(Vec<(Channel, ConversationId)>);

impl Held {
    /// Iterates over the conversations of one channel, in the order of their ids.
    pub fn of(&self, channel: Channel) -> impl Iterator<Item = &ConversationId> {
        self.slice(channel).iter().map(|(_, conversation)| conversation)
    }

    /// The number of conversations of one channel.
    pub fn count(&self, channel: Channel) -> usize {
        self.slice(channel).len()
    }

    /// The number of conversations over all channels.
    pub fn size(&self) -> usize {
        self.0.len()
    }

    /// Iterates over the conversations of all channels.
    pub fn iter(&self) -> impl Iterator<Item = &ConversationId> {
        self.0.iter().map(|(_, conversation)| conversation)
    }

    /// Returns true if the user holds the conversation on the channel.
    pub fn contains(&self, channel: Channel, conversation: &ConversationId) -> bool {
        self.place(channel, conversation).is_ok()
    }

    /// Adds a conversation; does nothing if it is held on the channel.
    pub fn insert(&mut self, channel: Channel, conversation: ConversationId) {
        if let Err(at) = self.place(channel, &conversation) {
            tight::insert(&mut self.0, at, (channel, conversation));
        }
    }

    /// Removes a conversation; does nothing if it is not held on the channel.
    pub fn remove(&mut self, channel: Channel, conversation: &ConversationId) {
        if let Ok(at) = self.place(channel, conversation) {
            tight::remove(&mut self.0, at);
        }
    }

    /// Bytes that the list occupies on the heap, without the ids, which claims share.
    pub fn heap_bytes(&self) -> usize {
        tight::heap_bytes(&self.0)
    }

    fn slice(&self, channel: Channel) -> &[(Channel, ConversationId)] {
        let from = self.0.partition_point(|(held, _)| *held < channel);
        let to = self.0.partition_point(|(held, _)| *held <= channel);
        &self.0[from..to]
    }

    fn place(&self, channel: Channel, conversation: &ConversationId) -> Result<usize, usize> {
        self.0.binary_search_by(|(held, id)| held.cmp(&channel).then_with(|| id.cmp(conversation)))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn behaves_as_a_set_for_each_channel(
            changes in proptest::collection::vec((0usize..4, 0u8..40, any::<bool>()), 0..300),
        ) {
            let (mut held, mut reference) = (Held::default(), BTreeSet::new());
            let mut half = None;
            for (n, (channel, id, add)) in changes.iter().enumerate() {
                if n == changes.len() / 2 {
                    half = Some((held.clone(), reference.clone()));
                }
                let (channel, id) = (Channel::ALL[*channel], ConversationId::new(&format!("c{id}")).unwrap());
                if *add {
                    held.insert(channel, id.clone());
                    reference.insert((channel, id));
                } else {
                    held.remove(channel, &id);
                    reference.remove(&(channel, id));
                }
            }
            // A clone stays as it was.
            for (held, reference) in half.into_iter().chain([(held, reference)]) {
                prop_assert_eq!(held.size(), reference.len());
                prop_assert!(held.iter().eq(reference.iter().map(|(_, id)| id)));
                for channel in Channel::ALL {
                    let expected: Vec<_> = reference.iter().filter(|(of, _)| *of == channel).map(|(_, id)| id).collect();
                    prop_assert_eq!(held.count(channel), expected.len());
                    prop_assert!(expected.iter().all(|id| held.contains(channel, id)));
                    prop_assert_eq!(held.of(channel).collect::<Vec<_>>(), expected);
                }
            }
        }
    }
}

//! Copy-on-write sets of users by dense index: a list while small, else blocks of bits.

use std::sync::Arc;

use super::index::{BLOCK_USERS, BLOCK_WORDS, Place};

/// Maximum number of members of a set stored as one list, which is copied as a whole.
const LIST_MAX: usize = 1_024;

/// A set of users. Cloning a large one copies a pointer per 8,192 users; a change copies one block.
#[derive(Clone, Debug)]
pub enum Bits {
    /// Indexes in ascending order: 4 bytes per member.
    List(Vec<u32>),
    /// Blocks of users, up to the one of the highest member.
    Blocks(Vec<Part>),
}

/// The members of a set in one block of users.
#[derive(Clone, Debug, Default)]
pub enum Part {
    /// No member in this block.
    #[default]
    Empty,
    /// Positions in the block, in ascending order: smaller than bits while at most one user in 32 is a member.
    List(Arc<Vec<u16>>),
    /// One bit per user of the block.
    Dense(Arc<[u64]>),
}

impl Default for Bits {
    fn default() -> Self {
        Bits::List(Vec::new())
    }
}

impl Bits {
    /// Creates the set of these users, which are in ascending order.
    pub fn of(users: Vec<u32>) -> Self {
        let Some(last) = users.last() else { return Bits::default() };
        if users.len() <= LIST_MAX && !is_dense(users.len(), *last as usize / 64 + 1) {
            return Bits::List(users);
        }
        let mut parts = vec![Part::Empty; (last / BLOCK_USERS) as usize + 1];
        for members in users.chunk_by(|one, other| one / BLOCK_USERS == other / BLOCK_USERS) {
            parts[(members[0] / BLOCK_USERS) as usize] = Part::of(members);
        }
        Bits::Blocks(parts)
    }

    /// Adds a user by dense index; does nothing if present.
    pub fn insert(&mut self, ix: u32) {
        match self {
            Bits::List(list) => {
                let Err(at) = list.binary_search(&ix) else { return };
                list.insert(at, ix);
                let last = list[list.len() - 1] as usize;
                if list.len() <= LIST_MAX && !is_dense(list.len(), last / 64 + 1) {
                    return;
                }
                // A list that is full, or larger than the bits would be, is converted to blocks, and stays blocks.
                let mut parts = Vec::new();
                for member in list.iter() {
                    insert(&mut parts, *member);
                }
                *self = Bits::Blocks(parts);
            }
            Bits::Blocks(parts) => insert(parts, ix),
        }
    }

    /// Removes a user by dense index; does nothing if absent.
    pub fn remove(&mut self, ix: u32) {
        match self {
            Bits::List(list) => {
                if let Ok(at) = list.binary_search(&ix) {
                    list.remove(at);
                }
            }
            Bits::Blocks(parts) => {
                // Blocks that become empty stay: a set never becomes a list again.
                if let Some(part) = parts.get_mut((ix / BLOCK_USERS) as usize) {
                    part.remove(ix % BLOCK_USERS);
                }
            }
        }
    }

    /// Sets the bits of a span's members in `out`, the words of the span.
    #[inline(always)]
    pub fn or_into(&self, at: Place, out: &mut [u64]) {
        match self {
            Bits::Blocks(parts) => match parts.get(at.block) {
                Some(Part::Dense(words)) => {
                    for (o, w) in out.iter_mut().zip(words.iter().skip(at.word)) {
                        *o |= w;
                    }
                }
                Some(Part::List(list)) => {
                    let start = at.word * 64;
                    let end = start + out.len() * 64;
                    let from = list.partition_point(|position| usize::from(*position) < start);
                    for position in list[from..].iter().map(|at| usize::from(*at)).take_while(|at| *at < end) {
                        out[(position - start) / 64] |= 1 << (position % 64);
                    }
                }
                Some(Part::Empty) | None => {}
            },
            Bits::List(list) => {
                let start = at.first_user();
                let end = start + (out.len() * 64) as u32;
                let from = list.partition_point(|ix| *ix < start);
                for ix in list[from..].iter().take_while(|ix| **ix < end) {
                    let local = ix - start;
                    out[local as usize / 64] |= 1 << (local % 64);
                }
            }
        }
    }

    /// The `words` words of a span, if they are stored as bits.
    #[inline(always)]
    pub fn whole(&self, at: Place, words: usize) -> Option<&[u64]> {
        match self {
            Bits::Blocks(parts) => match parts.get(at.block)? {
                Part::Dense(all) => all.get(at.word..at.word + words),
                Part::Empty | Part::List(_) => None,
            },
            Bits::List(_) => None,
        }
    }

    /// Clears the bits in `mask`, the words of a span, that are not members.
    #[inline(always)]
    pub fn and_into(&self, at: Place, mask: &mut [u64]) {
        if let Bits::Blocks(parts) = self
            && let Some(Part::Dense(words)) = parts.get(at.block)
        {
            // Words beyond those stored have no members.
            let stored = words.get(at.word..).unwrap_or_default();
            let known = stored.len().min(mask.len());
            for (m, w) in mask.iter_mut().zip(stored) {
                *m &= w;
            }
            mask[known..].fill(0);
            return;
        }
        // On the stack, so that counting allocates nothing.
        let mut members = [0; BLOCK_WORDS];
        let members = &mut members[..mask.len()];
        self.or_into(at, members);
        for (m, w) in mask.iter_mut().zip(members) {
            *m &= *w;
        }
    }

    /// Returns true if a user, by dense index, is a member.
    pub fn contains(&self, ix: u32) -> bool {
        match self {
            Bits::List(list) => list.binary_search(&ix).is_ok(),
            Bits::Blocks(parts) => {
                parts.get((ix / BLOCK_USERS) as usize).is_some_and(|part| part.contains(ix % BLOCK_USERS))
            }
        }
    }

    /// Iterates over the members by dense index, ascending.
    pub fn members(&self) -> Box<dyn Iterator<Item = u32> + '_> {
        match self {
            Bits::List(list) => Box::new(list.iter().copied()),
            Bits::Blocks(parts) => {
                Box::new((0..).zip(parts).flat_map(|(n, part)| part.members().map(move |at| n * BLOCK_USERS + at)))
            }
        }
    }

    /// The number of members.
    pub fn count(&self) -> usize {
        match self {
            Bits::List(list) => list.len(),
            Bits::Blocks(parts) => parts.iter().map(Part::count).sum(),
        }
    }

    /// Bytes that the set occupies on the heap.
    pub fn heap_bytes(&self) -> usize {
        match self {
            Bits::List(list) => list.capacity() * 4,
            Bits::Blocks(parts) => {
                parts.capacity() * size_of::<Part>() + parts.iter().map(Part::heap_bytes).sum::<usize>()
            }
        }
    }

    /// Counts the members, words and pointers that this set does not share with `before`, an earlier clone of it.
    pub fn copied_since(&self, before: &Self) -> usize {
        match (self, before) {
            (Bits::List(list), _) => list.len(),
            (Bits::Blocks(parts), Bits::Blocks(old)) => {
                let copied = parts.iter().enumerate().map(|(n, part)| match (part, old.get(n)) {
                    (Part::Dense(words), Some(Part::Dense(old))) if Arc::ptr_eq(words, old) => 0,
                    (Part::List(list), Some(Part::List(old))) if Arc::ptr_eq(list, old) => 0,
                    (part, _) => part.heap_bytes() / size_of::<u64>(),
                });
                parts.len() + copied.sum::<usize>()
            }
            (Bits::Blocks(_), Bits::List(_)) => self.heap_bytes() / size_of::<u64>(),
        }
    }
}

impl Part {
    /// Makes the part of these users, which are of one block and in ascending order.
    fn of(users: &[u32]) -> Self {
        let places = users.iter().map(|ix| (ix % BLOCK_USERS) as usize);
        let words = words_for(places.clone().next_back().unwrap_or_default());
        if !is_dense(users.len(), words) {
            // A position in a block is below 8,192, so that 16 bits hold it.
            return Part::List(Arc::new(places.map(|at| at as u16).collect()));
        }
        let mut bits = vec![0; words];
        for at in places {
            bits[at / 64] |= 1 << (at % 64);
        }
        Part::Dense(bits.into())
    }

    fn insert(&mut self, at: u32) {
        match self {
            // A position in a block is below 8,192, so that 16 bits hold it.
            Part::Empty => *self = Part::List(Arc::new(vec![at as u16])),
            Part::List(list) => {
                let Err(place) = list.binary_search(&(at as u16)) else { return };
                let list = Arc::make_mut(list);
                list.insert(place, at as u16);
                let last = usize::from(list[list.len() - 1]);
                let words = words_for(last);
                if is_dense(list.len(), words) {
                    let mut bits = vec![0; words];
                    for at in list.iter().copied().map(usize::from) {
                        bits[at / 64] |= 1 << (at % 64);
                    }
                    *self = Part::Dense(bits.into());
                }
            }
            Part::Dense(bits) => {
                let at = at as usize;
                if at / 64 >= bits.len() {
                    let mut wider = bits.to_vec();
                    wider.resize(words_for(at), 0);
                    *bits = wider.into();
                }
                // Tested first: `make_mut` would copy a shared part even if the bit is set already.
                if bits[at / 64] & (1 << (at % 64)) == 0 {
                    Arc::make_mut(bits)[at / 64] |= 1 << (at % 64);
                }
            }
        }
    }

    fn remove(&mut self, at: u32) {
        match self {
            Part::Empty => {}
            Part::List(list) => {
                let Ok(place) = list.binary_search(&(at as u16)) else { return };
                if list.len() == 1 {
                    *self = Part::Empty;
                } else {
                    Arc::make_mut(list).remove(place);
                }
            }
            Part::Dense(bits) => {
                let at = at as usize;
                // Tested first, as in `insert`.
                if bits.get(at / 64).is_some_and(|word| word & (1 << (at % 64)) != 0) {
                    Arc::make_mut(bits)[at / 64] &= !(1 << (at % 64));
                }
            }
        }
    }

    fn contains(&self, at: u32) -> bool {
        match self {
            Part::Empty => false,
            Part::List(list) => list.binary_search(&(at as u16)).is_ok(),
            Part::Dense(bits) => bits.get(at as usize / 64).is_some_and(|word| word & (1 << (at % 64)) != 0),
        }
    }

    fn members(&self) -> Box<dyn Iterator<Item = u32> + '_> {
        match self {
            Part::Empty => Box::new(std::iter::empty()),
            Part::List(list) => Box::new(list.iter().map(|at| u32::from(*at))),
            Part::Dense(bits) => Box::new((0..bits.len() as u32 * 64).filter(|at| self.contains(*at))),
        }
    }

    fn count(&self) -> usize {
        match self {
            Part::Empty => 0,
            Part::List(list) => list.len(),
            Part::Dense(bits) => bits.iter().map(|word| word.count_ones() as usize).sum(),
        }
    }

    fn heap_bytes(&self) -> usize {
        let counters = 2 * size_of::<usize>();
        match self {
            Part::Empty => 0,
            Part::List(list) => list.capacity() * size_of::<u16>() + size_of::<Vec<u16>>() + counters,
            Part::Dense(bits) => size_of_val::<[u64]>(bits) + counters,
        }
    }
}

fn insert(parts: &mut Vec<Part>, ix: u32) {
    let block = (ix / BLOCK_USERS) as usize;
    if parts.len() <= block {
        parts.resize(block + 1, Part::Empty);
    }
    parts[block].insert(ix % BLOCK_USERS);
}

/// Returns true if `words` words of bits are smaller than a list at 4 bytes per member.
const fn is_dense(members: usize, words: usize) -> bool {
    members > words * 2
}

/// Number of words for a part whose highest position is `last`. Rounded to a power of two as the words of the index's
/// last block are, so that the words of a set spread over the block can be combined with the index's directly.
const fn words_for(last: usize) -> usize {
    (last / 64 + 1).next_power_of_two()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::super::index::SEGMENT_WORDS;
    use super::*;

    fn members(bits: &Bits, blocks: usize) -> BTreeSet<u32> {
        let mut found = BTreeSet::new();
        for block in 0..blocks {
            let (at, mut words, mut all) = (Place { block, word: 0 }, [0; BLOCK_WORDS], [!0; BLOCK_WORDS]);
            bits.or_into(at, &mut words);
            bits.and_into(at, &mut all);
            assert_eq!(words, all, "or_into and and_into agree");
            if let Some(whole) = bits.whole(at, BLOCK_WORDS) {
                assert_eq!(words, whole, "whole agrees");
            }
            for word in (0..BLOCK_WORDS).step_by(SEGMENT_WORDS) {
                let (at, mut some, mut kept) = (Place { block, word }, [0; SEGMENT_WORDS], [!0; SEGMENT_WORDS]);
                bits.or_into(at, &mut some);
                bits.and_into(at, &mut kept);
                assert_eq!(
                    (some, kept),
                    (words[word..word + SEGMENT_WORDS].try_into().unwrap(), some),
                    "a segment agrees"
                );
                if let Some(whole) = bits.whole(at, SEGMENT_WORDS) {
                    assert_eq!(some, whole, "whole agrees for a segment");
                }
            }
            for (w, word) in words.iter().enumerate() {
                for bit in (0..64).filter(|bit| word & (1 << bit) != 0) {
                    found.insert((block * BLOCK_WORDS * 64 + w * 64 + bit) as u32);
                }
            }
        }
        found
    }

    proptest! {
        #[test]
        fn behaves_as_a_set(
            changes in proptest::collection::vec((0u32..20_000, any::<bool>()), 0..400),
            // With any of these numbers but 0 the set begins as blocks.
            first in prop_oneof![Just(0), Just(600), Just(1_100u32)],
            apart in 1u32..17,
        ) {
            let (mut bits, mut reference) = (Bits::default(), BTreeSet::new());
            for ix in (0..first).map(|n| n * apart) {
                bits.insert(ix);
                reference.insert(ix);
            }
            let before = (bits.clone(), reference.clone());
            for (ix, add) in changes {
                // Two regions, so that both lists and bits occur.
                let ix = if ix % 3 == 0 { ix % 100 } else { ix };
                if add { bits.insert(ix); reference.insert(ix); } else { bits.remove(ix); reference.remove(&ix); }
            }
            prop_assert_eq!(bits.members().collect::<Vec<_>>(), reference.iter().copied().collect::<Vec<_>>());
            prop_assert_eq!(bits.count(), reference.len());
            prop_assert!((0..30_000).all(|ix| bits.contains(ix) == reference.contains(&ix)));
            prop_assert_eq!(members(&bits, 3), reference);
            prop_assert_eq!(members(&before.0, 3), before.1, "a clone stays as it was");
        }
    }

    proptest! {
        #[test]
        fn a_set_of_many_is_the_one_that_inserts_make(
            users in proptest::collection::btree_set(0u32..20_000, 0..2_000),
            apart in 1u32..17,
            first in prop_oneof![Just(0), Just(600), Just(1_100u32)],
            later in proptest::collection::vec(0u32..20_000, 0..20),
        ) {
            let users: BTreeSet<u32> = users.into_iter().chain((0..first).map(|n| n * apart)).collect();
            let (mut at_once, mut inserted) = (Bits::of(users.iter().copied().collect()), Bits::default());
            users.iter().for_each(|ix| inserted.insert(*ix));
            prop_assert_eq!(members(&at_once, 3), members(&inserted, 3));
            for ix in later {
                at_once.insert(ix);
                inserted.insert(ix);
                at_once.remove(ix / 2);
                inserted.remove(ix / 2);
            }
            prop_assert_eq!(members(&at_once, 3), members(&inserted, 3));
        }
    }

    #[test]
    fn a_change_to_a_large_set_copies_one_block() {
        for apart in [1, 10, 100] {
            let mut bits = Bits::default();
            for ix in (0..1_000_000).step_by(apart) {
                bits.insert(ix);
            }
            let before = bits.clone();
            bits.remove(500_000);
            bits.insert(500_001);
            let copied = bits.copied_since(&before);
            assert!(copied <= 1_000_000_usize.div_ceil(BLOCK_USERS as usize) + BLOCK_WORDS + 8, "{copied} at {apart}");
        }
    }
}

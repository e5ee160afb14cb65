//! A set of users, by dense index: as a list while it is small, as a bitset when that is smaller.

use super::index::BLOCK_WORDS;

/// Users who share one property.
#[derive(Clone, Debug)]
pub enum Bits {
    /// Ascending indexes: 4 bytes a member.
    List(Vec<u32>),
    /// One bit a user: cheaper once more than one in 32 is a member.
    Dense(Vec<u64>),
}

impl Default for Bits {
    fn default() -> Self {
        Bits::List(Vec::new())
    }
}

impl Bits {
    /// Adds a user.
    pub fn insert(&mut self, ix: u32) {
        if let Bits::List(list) = self {
            let Err(at) = list.binary_search(&ix) else { return };
            list.insert(at, ix);
            let last = list[list.len() - 1];
            if list.len() * 4 <= words_for(last) * 8 {
                return;
            }
            let mut words = Vec::new();
            for member in list.iter() {
                set(&mut words, *member);
            }
            *self = Bits::Dense(words);
        } else if let Bits::Dense(words) = self {
            set(words, ix);
        }
    }

    /// Removes a user.
    pub fn remove(&mut self, ix: u32) {
        match self {
            Bits::List(list) => {
                if let Ok(at) = list.binary_search(&ix) {
                    list.remove(at);
                }
            }
            Bits::Dense(words) => {
                if let Some(word) = words.get_mut(ix as usize / 64) {
                    *word &= !(1 << (ix % 64));
                }
            }
        }
    }

    /// Adds the members of one block to `out`, which holds that block's words.
    #[inline(always)]
    pub fn or_into(&self, block: usize, out: &mut [u64]) {
        let first = block * BLOCK_WORDS;
        match self {
            Bits::Dense(words) => {
                let part = words.get(first..).unwrap_or_default();
                for (o, w) in out.iter_mut().zip(part) {
                    *o |= w;
                }
            }
            Bits::List(list) => {
                let start = (first * 64) as u32;
                let end = start + (out.len() * 64) as u32;
                let from = list.partition_point(|ix| *ix < start);
                for ix in list[from..].iter().take_while(|ix| **ix < end) {
                    let local = ix - start;
                    out[local as usize / 64] |= 1 << (local % 64);
                }
            }
        }
    }

    /// The words of one block, where they are kept as such and there are as many.
    #[inline(always)]
    pub fn whole(&self, block: usize, words: usize) -> Option<&[u64]> {
        match self {
            Bits::Dense(all) => all.get(block * BLOCK_WORDS..block * BLOCK_WORDS + words),
            Bits::List(_) => None,
        }
    }

    /// Keeps in `mask` only the members of one block.
    #[inline(always)]
    pub fn and_into(&self, block: usize, mask: &mut [u64]) {
        match self {
            Bits::Dense(words) => {
                let part = words.get(block * BLOCK_WORDS..).unwrap_or_default();
                let known = part.len().min(mask.len());
                for (m, w) in mask.iter_mut().zip(part) {
                    *m &= w;
                }
                mask[known..].fill(0);
            }
            Bits::List(_) => {
                let mut members = [0; BLOCK_WORDS];
                let members = &mut members[..mask.len()];
                self.or_into(block, members);
                for (m, w) in mask.iter_mut().zip(members) {
                    *m &= *w;
                }
            }
        }
    }

    /// Bytes the set occupies on the heap.
    pub fn heap_bytes(&self) -> usize {
        match self {
            Bits::List(list) => list.capacity() * 4,
            Bits::Dense(words) => words.capacity() * 8,
        }
    }
}

const fn words_for(ix: u32) -> usize {
    ix as usize / 64 + 1
}

fn set(words: &mut Vec<u64>, ix: u32) {
    let word = ix as usize / 64;
    if word >= words.len() {
        words.resize(word + 1, 0);
    }
    words[word] |= 1 << (ix % 64);
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn members(bits: &Bits, blocks: usize) -> BTreeSet<u32> {
        let mut found = BTreeSet::new();
        for block in 0..blocks {
            let mut words = [0; BLOCK_WORDS];
            bits.or_into(block, &mut words);
            let mut all = [!0; BLOCK_WORDS];
            bits.and_into(block, &mut all);
            assert_eq!(words, all, "both readings agree");
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
        fn behaves_as_a_set(changes in proptest::collection::vec((0u32..20_000, any::<bool>()), 0..400)) {
            let mut bits = Bits::default();
            let mut reference = BTreeSet::new();
            for (ix, add) in changes {
                // Two regions, so that both the list and the bitset are met.
                let ix = if ix % 3 == 0 { ix % 100 } else { ix };
                if add { bits.insert(ix); reference.insert(ix); } else { bits.remove(ix); reference.remove(&ix); }
            }
            prop_assert_eq!(members(&bits, 3), reference);
        }
    }
}

//! A copy-on-write hash index of keys that are stored elsewhere.

use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::Arc;

/// Maximum number of entries in a leaf before it is split.
const LEAF_MAX: usize = 64;
/// Bits of an entry that select a child of a branch.
const STEP: u32 = 4;
/// Number of children of a branch.
const CHILDREN: usize = 1 << STEP;
/// Depth at which all 32 bits of the hash have been used.
const HASH_DEPTH: u32 = u32::BITS / STEP;

/// A map from keys to indexes that does not store the keys: an entry consists of 32 bits of the key's hash and the
/// index, and the caller compares the key itself. A key may have several indexes.
///
/// The entries are the leaves of a trie: cloning copies one pointer, a change copies the path to one leaf.
#[derive(Clone, Debug, Default)]
pub struct Lookup {
    root: Node,
    // Seeded at random for each map, so that a caller cannot choose keys that collide.
    hasher: RandomState,
}

/// Collects many keys for a map that is made at once, several times as fast as by [`Lookup::insert`].
#[derive(Debug, Default)]
pub struct LookupBuilder {
    lookup: Lookup,
    entries: Vec<u64>,
}

impl LookupBuilder {
    /// Begins with room for this number of keys.
    pub fn with_capacity(keys: usize) -> Self {
        LookupBuilder { lookup: Lookup::default(), entries: Vec::with_capacity(keys) }
    }

    /// Adds an index for a key.
    pub fn add<K: Hash + ?Sized>(&mut self, key: &K, ix: u32) {
        self.entries.push(self.lookup.entry(key, ix));
    }

    /// Makes the map.
    pub fn finish(mut self) -> Lookup {
        self.entries.sort_unstable();
        self.entries.dedup();
        self.lookup.root = Node::of(&self.entries, 0);
        self.lookup
    }
}

#[derive(Clone, Debug, Default)]
enum Node {
    #[default]
    Empty,
    /// Entries in ascending order.
    Leaf(Arc<Vec<u64>>),
    /// Children selected by the next [`STEP`] bits of the entry, from the highest bits down.
    Branch(Arc<[Node; CHILDREN]>),
}

impl Lookup {
    /// Adds an index for a key; does nothing if the key has it already.
    pub fn insert<K: Hash + ?Sized>(&mut self, key: &K, ix: u32) {
        let entry = self.entry(key, ix);
        self.root.insert(entry, 0);
    }

    /// Removes one index of a key, if the key has it.
    pub fn remove<K: Hash + ?Sized>(&mut self, key: &K, ix: u32) {
        let entry = self.entry(key, ix);
        self.root.remove(entry, 0);
    }

    /// Returns the lowest index of a key. `is_it` returns true if the key stored at an index is the one searched for.
    pub fn find<K: Hash + ?Sized>(&self, key: &K, mut is_it: impl FnMut(u32) -> bool) -> Option<u32> {
        // With index 0 the entry sorts before every other of its hash, so that the search begins at the first.
        self.root.search(self.entry(key, 0), 0, &mut is_it)
    }

    /// Returns all indexes of a key in ascending order.
    pub fn all<K: Hash + ?Sized>(&self, key: &K, is_it: impl Fn(u32) -> bool) -> Vec<u32> {
        let mut found = Vec::new();
        // The search stops at the first `true`; returning `false` always makes it visit every candidate.
        self.root.search(self.entry(key, 0), 0, &mut |ix| {
            if is_it(ix) {
                found.push(ix);
            }
            false
        });
        found
    }

    /// Bytes that the entries occupy on the heap.
    pub fn heap_bytes(&self) -> usize {
        self.root.heap_bytes()
    }

    /// Counts the entries and pointers that this map does not share with `before`, an earlier clone of it.
    pub fn copied_since(&self, before: &Self) -> usize {
        self.root.copied_since(&before.root)
    }

    /// Packs the upper half of the key's hash and the index into one entry.
    fn entry<K: Hash + ?Sized>(&self, key: &K, ix: u32) -> u64 {
        self.hasher.hash_one(key) & !u64::from(u32::MAX) | u64::from(ix)
    }
}

impl Node {
    /// Makes the node at `depth` of these entries, which are in ascending order.
    fn of(entries: &[u64], depth: u32) -> Self {
        if entries.is_empty() {
            return Node::Empty;
        }
        if entries.len() <= LEAF_MAX {
            return Node::Leaf(Arc::new(entries.to_vec()));
        }
        let mut children: [Node; CHILDREN] = Default::default();
        for run in entries.chunk_by(|one, other| child(*one, depth) == child(*other, depth)) {
            children[child(run[0], depth)] = Node::of(run, depth + 1);
        }
        Node::Branch(Arc::new(children))
    }

    fn insert(&mut self, entry: u64, depth: u32) {
        match self {
            Node::Empty => *self = Node::Leaf(Arc::new(vec![entry])),
            Node::Leaf(entries) => {
                let Err(at) = entries.binary_search(&entry) else { return };
                let entries = Arc::make_mut(entries);
                entries.insert(at, entry);
                if entries.len() > LEAF_MAX {
                    let mut children: [Node; CHILDREN] = Default::default();
                    for run in entries.chunk_by(|one, other| child(*one, depth) == child(*other, depth)) {
                        children[child(run[0], depth)] = Node::Leaf(Arc::new(run.to_vec()));
                    }
                    *self = Node::Branch(Arc::new(children));
                }
            }
            Node::Branch(children) => Arc::make_mut(children)[child(entry, depth)].insert(entry, depth + 1),
        }
    }

    fn remove(&mut self, entry: u64, depth: u32) {
        match self {
            Node::Empty => {}
            Node::Leaf(entries) => {
                let Ok(at) = entries.binary_search(&entry) else { return };
                if entries.len() == 1 {
                    *self = Node::Empty;
                } else {
                    Arc::make_mut(entries).remove(at);
                }
            }
            Node::Branch(children) => {
                let children = Arc::make_mut(children);
                children[child(entry, depth)].remove(entry, depth + 1);
                if children.iter().all(|child| matches!(child, Node::Empty)) {
                    *self = Node::Empty;
                }
            }
        }
    }

    /// The first index below this node with the same hash as `entry` and for which `is_it` returns true.
    fn search(&self, entry: u64, depth: u32, is_it: &mut dyn FnMut(u32) -> bool) -> Option<u32> {
        match self {
            Node::Empty => None,
            Node::Leaf(entries) => {
                let from = entries.partition_point(|found| *found < entry);
                let same = entries[from..].iter().take_while(|found| **found >> 32 == entry >> 32);
                same.map(|found| *found as u32).find(|ix| is_it(*ix))
            }
            Node::Branch(children) if depth < HASH_DEPTH => {
                children[child(entry, depth)].search(entry, depth + 1, is_it)
            }
            // Past the hash, branches split by the index, so every entry below has the same hash.
            Node::Branch(children) => children.iter().find_map(|child| child.search(entry, depth + 1, is_it)),
        }
    }

    fn heap_bytes(&self) -> usize {
        let counters = 2 * size_of::<usize>();
        match self {
            Node::Empty => 0,
            Node::Leaf(entries) => entries.capacity() * size_of::<u64>() + size_of::<Vec<u64>>() + counters,
            Node::Branch(children) => {
                let below: usize = children.iter().map(Node::heap_bytes).sum();
                below + size_of::<[Node; CHILDREN]>() + counters
            }
        }
    }

    fn copied_since(&self, before: &Self) -> usize {
        // Pointers are compared first: nothing below a shared node was copied.
        match (self, before) {
            (Node::Empty, _) => 0,
            (Node::Leaf(entries), Node::Leaf(old)) if Arc::ptr_eq(entries, old) => 0,
            (Node::Branch(children), Node::Branch(old)) if Arc::ptr_eq(children, old) => 0,
            (Node::Leaf(entries), _) => entries.len(),
            (Node::Branch(children), Node::Branch(old)) => {
                CHILDREN + children.iter().zip(old.iter()).map(|(child, old)| child.copied_since(old)).sum::<usize>()
            }
            (Node::Branch(children), _) => {
                CHILDREN + children.iter().map(|child| child.copied_since(&Node::Empty)).sum::<usize>()
            }
        }
    }
}

/// The number of the child that an entry belongs to, in a branch at `depth`.
const fn child(entry: u64, depth: u32) -> usize {
    (entry >> (u64::BITS - STEP - depth * STEP)) as usize % CHILDREN
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn behaves_as_a_map_to_sets(changes in proptest::collection::vec((0u32..300, 0u32..9, any::<bool>()), 0..900)) {
            let (mut lookup, mut reference) = (Lookup::default(), BTreeSet::new());
            let mut half = None;
            for (n, (key, ix, add)) in changes.iter().enumerate() {
                if n == changes.len() / 2 {
                    half = Some((lookup.clone(), reference.clone()));
                }
                if *add {
                    lookup.insert(key, *ix);
                    reference.insert((*key, *ix));
                } else {
                    lookup.remove(key, *ix);
                    reference.remove(&(*key, *ix));
                }
            }
            // What a clone holds does not follow.
            for (lookup, reference) in half.into_iter().chain([(lookup, reference)]) {
                for key in 0..300 {
                    let expected: Vec<u32> = reference.range((key, 0)..(key + 1, 0)).map(|(_, ix)| *ix).collect();
                    let is_it = |ix| reference.contains(&(key, ix));
                    prop_assert_eq!(lookup.find(&key, is_it), expected.first().copied());
                    prop_assert_eq!(lookup.all(&key, is_it), expected);
                }
            }
        }
    }

    proptest! {
        #[test]
        fn a_map_of_many_keys_is_the_one_that_inserts_make(
            keys in proptest::collection::vec((0u32..300, 0u32..4_000), 0..3_000),
            same in 0u32..200,
            changes in proptest::collection::vec((0u32..300, 0u32..4_000, any::<bool>()), 0..50),
        ) {
            let keys: Vec<(u32, u32)> = keys.into_iter().chain((0..same).map(|ix| (7, ix))).collect();
            let mut builder = LookupBuilder::with_capacity(keys.len());
            keys.iter().for_each(|(key, ix)| builder.add(key, *ix));
            let (mut lookup, mut reference) = (builder.finish(), BTreeSet::from_iter(keys));
            for (key, ix, add) in changes {
                if add {
                    lookup.insert(&key, ix);
                    reference.insert((key, ix));
                } else {
                    lookup.remove(&key, ix);
                    reference.remove(&(key, ix));
                }
            }
            for key in 0..300 {
                let expected: Vec<u32> = reference.range((key, 0)..(key + 1, 0)).map(|(_, ix)| *ix).collect();
                prop_assert_eq!(lookup.all(&key, |ix| reference.contains(&(key, ix))), expected);
            }
        }
    }

    #[test]
    fn a_key_can_have_many_indexes() {
        let mut lookup = Lookup::default();
        for ix in 0..20_000 {
            lookup.insert("same", ix);
        }
        assert!(lookup.all("same", |_| true).into_iter().eq(0..20_000));
        assert_eq!(lookup.find("same", |ix| ix == 12_345), Some(12_345));
        assert_eq!(lookup.find("other", |_| true), None);
        let before = lookup.clone();
        lookup.remove("same", 7);
        let copied = lookup.copied_since(&before);
        assert!(copied < LEAF_MAX + 16 * CHILDREN, "{copied} copied");
        for ix in 0..20_000 {
            lookup.remove("same", ix);
        }
        assert_eq!(lookup.heap_bytes(), 0);
        assert_eq!(before.all("same", |_| true).len(), 20_000);
    }

    #[test]
    fn an_entry_takes_less_than_24_bytes() {
        let mut lookup = Lookup::default();
        for ix in 0..100_000 {
            lookup.insert(&ix, ix);
        }
        let bytes = lookup.heap_bytes() as f64 / 100_000.0;
        assert!(bytes < 24.0, "{bytes} bytes an entry");
    }
}

//! A copy-on-write hash map whose entries lie in shared chunks.

use std::borrow::Borrow;
use std::hash::Hash;

use rpds::ListSync;

use super::{Chunks, Lookup, steps};

/// A map that shares its entries with its clones. An entry takes its own size and about 12 bytes, where a trie of
/// pointers takes two allocations and a hash besides. A clone costs as much as one of [`Chunks`]; a change copies at
/// most one chunk of entries and the path to it.
#[derive(Clone, Debug)]
pub struct Keyed<K, V> {
    entries: Chunks<Option<(K, V)>>,
    places: Lookup,
    /// Places to reuse, the one freed last first.
    free: ListSync<u32>,
    free_len: usize,
}

impl<K, V> Default for Keyed<K, V> {
    fn default() -> Self {
        Keyed { entries: Chunks::default(), places: Lookup::default(), free: ListSync::new_sync(), free_len: 0 }
    }
}

impl<K: Eq + Hash + Clone, V: Clone> Keyed<K, V> {
    /// The value of a key, if the map contains it.
    pub fn get<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        steps::count(1);
        let at = self.place(key)?;
        self.entries.get(at as usize)?.as_ref().map(|(_, value)| value)
    }

    /// Inserts a value, replacing any previous one of the key.
    pub fn insert(&mut self, key: K, value: V) {
        steps::count(1);
        let at = self.place(&key).unwrap_or_else(|| {
            let at = self.free.first().copied();
            // Tenants have at most 10,000,000 of anything.
            let at = at.inspect(|_| self.take_free()).unwrap_or(self.entries.len() as u32);
            self.places.insert(&key, at);
            at
        });
        *self.entries.reach(at as usize) = Some((key, value));
    }

    /// Removes a key with its value; does nothing if it is absent.
    pub fn remove<Q: Hash + Eq + ?Sized>(&mut self, key: &Q)
    where
        K: Borrow<Q>,
    {
        steps::count(1);
        let Some(at) = self.place(key) else { return };
        self.places.remove(key, at);
        *self.entries.reach(at as usize) = None;
        self.free.push_front_mut(at);
        self.free_len += 1;
    }

    /// The number of keys in the map.
    pub fn len(&self) -> usize {
        self.entries.len() - self.free_len
    }

    /// Iterates over all keys and values in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.entries.iter().flatten().map(|(key, value)| (key, value)).inspect(|_| steps::count(1))
    }

    /// Bytes that the map occupies on the heap, without allocations owned by keys and values.
    pub fn heap_bytes(&self) -> usize {
        // An element of the list of free places is an allocation with the place, a pointer and the counter.
        self.entries.heap_bytes() + self.places.heap_bytes() + self.free_len * 3 * size_of::<usize>()
    }

    fn place<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> Option<u32>
    where
        K: Borrow<Q>,
    {
        let is_it = |at: u32| {
            let entry = self.entries.get(at as usize).and_then(Option::as_ref);
            entry.is_some_and(|(known, _)| known.borrow() == key)
        };
        self.places.find(key, is_it)
    }

    fn take_free(&mut self) {
        self.free.drop_first_mut();
        self.free_len -= 1;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn behaves_as_a_map(changes in proptest::collection::vec((0u8..150, any::<u16>(), 0u8..3), 0..900)) {
            let (mut map, mut reference) = (Keyed::<String, u16>::default(), BTreeMap::new());
            let mut half = None;
            for (n, (key, value, change)) in changes.iter().enumerate() {
                if n == changes.len() / 2 {
                    half = Some((map.clone(), reference.clone()));
                }
                let key = format!("key {key}");
                if *change == 0 {
                    map.remove(key.as_str());
                    reference.remove(&key);
                } else {
                    map.insert(key.clone(), *value);
                    reference.insert(key, *value);
                }
            }
            // A clone stays as it was.
            for (map, reference) in half.into_iter().chain([(map, reference)]) {
                prop_assert_eq!(map.len(), reference.len());
                let all: BTreeMap<_, _> = map.iter().map(|(key, value)| (key.clone(), *value)).collect();
                prop_assert_eq!(&all, &reference);
                for key in (0..150).map(|key| format!("key {key}")) {
                    prop_assert_eq!(map.get(key.as_str()), reference.get(&key));
                }
            }
        }
    }

    #[test]
    fn places_are_reused() {
        let mut map = Keyed::default();
        for n in 0..50_000u64 {
            map.insert(n, n);
            if n >= 100 {
                map.remove(&(n - 100));
            }
        }
        assert_eq!(map.len(), 100);
        assert!(map.heap_bytes() < 20_000, "{} bytes", map.heap_bytes());
    }

    #[test]
    fn an_entry_takes_little_more_than_its_size() {
        let mut map = Keyed::default();
        for n in 0..100_000u64 {
            map.insert(n, [n; 7]);
        }
        let bytes = map.heap_bytes() as f64 / 100_000.0;
        assert!(bytes < 96.0, "{bytes} bytes an entry of 72");
    }
}

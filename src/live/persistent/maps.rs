//! Maps and sets with O(1) clones; a change copies only the path to the changed entry.
//!
//! Every operation is counted in unit tests, which compare the cost of an apply at different sizes of the state.

use std::borrow::Borrow;
use std::hash::Hash;

use rpds::{HashTrieMapSync, RedBlackTreeSetSync};

use super::steps;

/// A persistent hash map.
#[derive(Clone, Debug)]
pub struct Map<K: Eq + Hash, V>(HashTrieMapSync<K, V>);

impl<K: Eq + Hash, V> Default for Map<K, V> {
    fn default() -> Self {
        Map(HashTrieMapSync::default())
    }
}

impl<K: Eq + Hash + Clone, V: Clone> Map<K, V> {
    /// The value of a key, if the map contains it.
    pub fn get<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        steps::count(1);
        self.0.get(key)
    }

    /// Inserts a value, replacing any previous one of the key.
    pub fn insert(&mut self, key: K, value: V) {
        steps::count(1);
        self.0.insert_mut(key, value);
    }

    /// Removes a key with its value; does nothing if it is absent.
    pub fn remove<Q: Hash + Eq + ?Sized>(&mut self, key: &Q)
    where
        K: Borrow<Q>,
    {
        steps::count(1);
        self.0.remove_mut(key);
    }

    /// The number of keys in the map.
    pub fn len(&self) -> usize {
        self.0.size()
    }

    /// Iterates over all keys and values in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.0.iter().inspect(|_| steps::count(1))
    }
}

/// A persistent ordered set.
#[derive(Clone, Debug)]
pub struct Ordered<T: Ord>(RedBlackTreeSetSync<T>);

impl<T: Ord> Default for Ordered<T> {
    fn default() -> Self {
        Ordered(RedBlackTreeSetSync::new_sync())
    }
}

impl<T: Ord + Clone> Ordered<T> {
    /// Inserts an element; does nothing if the set contains it.
    pub fn insert(&mut self, element: T) {
        steps::count(1);
        self.0.insert_mut(element);
    }

    /// Removes an element; does nothing if it is absent.
    pub fn remove(&mut self, element: &T) {
        steps::count(1);
        self.0.remove_mut(element);
    }

    /// The smallest element, if the set is not empty.
    pub fn first(&self) -> Option<&T> {
        steps::count(1);
        self.0.first()
    }

    /// The number of elements in the set.
    pub fn len(&self) -> usize {
        self.0.size()
    }
}

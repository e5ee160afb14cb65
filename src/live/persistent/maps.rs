//! Maps and sets of which a clone is O(1), and a change copies only the path to what changed.
//!
//! Every operation is counted in unit tests, so that the cost of an apply can be compared between sizes.

use std::borrow::Borrow;
use std::hash::Hash;

use rpds::{HashTrieMapSync, RedBlackTreeSetSync};

use super::steps;

/// A map by hash.
#[derive(Clone, Debug)]
pub struct Map<K: Eq + Hash, V>(HashTrieMapSync<K, V>);

impl<K: Eq + Hash, V> Default for Map<K, V> {
    fn default() -> Self {
        Map(HashTrieMapSync::default())
    }
}

impl<K: Eq + Hash + Clone, V: Clone> Map<K, V> {
    /// The value of a key.
    pub fn get<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        steps::count(1);
        self.0.get(key)
    }

    /// Puts a value in place of the one before.
    pub fn insert(&mut self, key: K, value: V) {
        steps::count(1);
        self.0.insert_mut(key, value);
    }

    /// Takes a key out.
    pub fn remove<Q: Hash + Eq + ?Sized>(&mut self, key: &Q)
    where
        K: Borrow<Q>,
    {
        steps::count(1);
        self.0.remove_mut(key);
    }

    /// The number of keys.
    pub fn len(&self) -> usize {
        self.0.size()
    }

    /// Every key and value, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.0.iter().inspect(|_| steps::count(1))
    }
}

/// A set in order.
#[derive(Clone, Debug)]
pub struct Ordered<T: Ord>(RedBlackTreeSetSync<T>);

impl<T: Ord> Default for Ordered<T> {
    fn default() -> Self {
        Ordered(RedBlackTreeSetSync::new_sync())
    }
}

impl<T: Ord + Clone> Ordered<T> {
    /// Adds an element.
    pub fn insert(&mut self, element: T) {
        steps::count(1);
        self.0.insert_mut(element);
    }

    /// Takes an element out.
    pub fn remove(&mut self, element: &T) {
        steps::count(1);
        self.0.remove_mut(element);
    }

    /// The least element.
    pub fn first(&self) -> Option<&T> {
        steps::count(1);
        self.0.first()
    }

    /// The number of elements.
    pub fn len(&self) -> usize {
        self.0.size()
    }
}

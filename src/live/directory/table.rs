//! The table of the entities of one kind, with lookups by integer id, GUID and name.

use std::sync::Arc;

use uuid::Uuid;

use super::{Entity, folded};
use crate::domain::ids::EntityRef;
use crate::live::persistent::{Chunks, Lookup};

/// The entities of one kind. An entity's row number never changes; memberships refer to it.
#[derive(Clone, Debug, Default)]
pub struct Table {
    rows: Chunks<Arc<Entity>>,
    by_id: Lookup,
    by_guid: Lookup,
    by_name: Lookup,
    /// The highest integer id ever assigned.
    high: i64,
}

impl Table {
    /// All entities, in the order of their rows.
    pub fn rows(&self) -> &Chunks<Arc<Entity>> {
        &self.rows
    }

    /// The number of entities.
    pub fn count(&self) -> usize {
        self.rows.len()
    }

    /// The row of the entity with this integer id.
    pub fn by_id(&self, id: i64) -> Option<u32> {
        self.by_id.find(&id, |row| self.row(row).is_some_and(|entity| entity.id == id))
    }

    /// The row of the entity with this GUID.
    pub fn by_guid(&self, guid: Uuid) -> Option<u32> {
        self.by_guid.find(&guid, |row| self.row(row).is_some_and(|entity| entity.guid == guid))
    }

    /// The row of the entity that a reference refers to.
    pub fn find(&self, reference: EntityRef) -> Option<u32> {
        match reference {
            EntityRef::Id(id) => self.by_id(id),
            EntityRef::Guid(guid) => self.by_guid(guid),
        }
    }

    /// The entity that a reference refers to.
    pub fn get(&self, reference: EntityRef) -> Option<&Arc<Entity>> {
        self.row(self.find(reference)?)
    }

    /// The entity in a row.
    pub fn row(&self, row: u32) -> Option<&Arc<Entity>> {
        self.rows.get(row as usize)
    }

    /// The rows of all entities with this name, compared in the form of [`folded`].
    pub fn named(&self, name: &str) -> Vec<u32> {
        let name = folded(name);
        self.by_name.all(name.as_str(), |row| self.row(row).is_some_and(|entity| folded(&entity.name) == name))
    }

    /// Iterates over the ancestors of the entity with this id, by integer id, the nearest first.
    pub fn ancestors(&self, id: i64) -> impl Iterator<Item = i64> {
        let parent = |id: i64| self.get(EntityRef::Id(id))?.parent;
        // Ends, since documents that would close a circle of parents are rejected.
        std::iter::successors(parent(id), move |id| parent(*id))
    }

    /// The highest integer id ever assigned; 0 before the first.
    pub const fn high(&self) -> i64 {
        self.high
    }

    /// Records that `id` was assigned, so that it is not assigned again.
    pub fn raise(&mut self, id: i64) {
        self.high = self.high.max(id);
    }

    /// Adds an entity, or replaces the one with its integer id, which must have the same GUID.
    pub fn put(&mut self, entity: Arc<Entity>) {
        self.raise(entity.id);
        let name = folded(&entity.name);
        let row = self.by_id(entity.id);
        if let Some(row) = row
            && let Some(before) = self.rows.get_mut(row as usize)
        {
            let before = std::mem::replace(before, entity);
            let old = folded(&before.name);
            if old != name {
                self.by_name.remove(old.as_str(), row);
                self.by_name.insert(name.as_str(), row);
            }
            return;
        }
        let row = self.rows.push(entity.clone()) as u32;
        self.by_id.insert(&entity.id, row);
        self.by_guid.insert(&entity.guid, row);
        self.by_name.insert(name.as_str(), row);
    }

    /// Counts the elements and pointers that this table does not share with `before`, an earlier clone of it.
    pub fn copied_since(&self, before: &Self) -> usize {
        let lookups =
            [(&self.by_id, &before.by_id), (&self.by_guid, &before.by_guid), (&self.by_name, &before.by_name)];
        self.rows.copied_since(&before.rows) + lookups.map(|(one, old)| one.copied_since(old)).iter().sum::<usize>()
    }
}

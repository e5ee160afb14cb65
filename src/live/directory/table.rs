//! The entities of one kind, found by id, by GUID and by name.

use std::collections::HashMap;
use std::sync::Arc;

use uuid::Uuid;

use super::{Entity, folded};
use crate::domain::ids::EntityRef;

/// The entities of one kind. A row's number is its place in the memberships and never changes.
#[derive(Clone, Debug, Default)]
pub struct Table {
    rows: Vec<Arc<Entity>>,
    by_id: HashMap<i64, u32>,
    by_guid: HashMap<Uuid, u32>,
    by_name: HashMap<String, Vec<u32>>,
    high: i64,
}

impl Table {
    /// Every entity, in the order of the rows.
    pub fn rows(&self) -> &[Arc<Entity>] {
        &self.rows
    }

    /// The row with this integer id.
    pub fn by_id(&self, id: i64) -> Option<u32> {
        self.by_id.get(&id).copied()
    }

    /// The row with this GUID.
    pub fn by_guid(&self, guid: Uuid) -> Option<u32> {
        self.by_guid.get(&guid).copied()
    }

    /// The row that a reference in either form names.
    pub fn find(&self, reference: EntityRef) -> Option<u32> {
        match reference {
            EntityRef::Id(id) => self.by_id(id),
            EntityRef::Guid(guid) => self.by_guid(guid),
        }
    }

    /// The entity that a reference in either form names.
    pub fn get(&self, reference: EntityRef) -> Option<&Arc<Entity>> {
        Some(&self.rows[self.find(reference)? as usize])
    }

    /// The rows with this name, trimmed and without regard to case.
    pub fn named(&self, name: &str) -> &[u32] {
        self.by_name.get(&folded(name)).map_or(&[], Vec::as_slice)
    }

    /// The ids of the entities that the one with this id lies in, the nearest first.
    pub fn ancestors(&self, id: i64) -> impl Iterator<Item = i64> {
        let parent = |id: i64| self.get(EntityRef::Id(id))?.parent;
        std::iter::successors(parent(id), move |id| parent(*id))
    }

    /// The highest integer id ever given.
    pub const fn high(&self) -> i64 {
        self.high
    }

    /// Remembers that `id` was given.
    pub fn raise(&mut self, id: i64) {
        self.high = self.high.max(id);
    }

    /// Adds an entity, or puts it in the place of the one with its id.
    pub fn put(&mut self, entity: Arc<Entity>) {
        self.raise(entity.id);
        let row = match self.by_id(entity.id) {
            Some(row) => {
                let before = std::mem::replace(&mut self.rows[row as usize], entity.clone());
                if let Some(rows) = self.by_name.get_mut(&folded(&before.name)) {
                    rows.retain(|r| *r != row);
                }
                row
            }
            None => {
                self.rows.push(entity.clone());
                (self.rows.len() - 1) as u32
            }
        };
        self.by_id.insert(entity.id, row);
        self.by_guid.insert(entity.guid, row);
        self.by_name.entry(folded(&entity.name)).or_default().push(row);
    }
}

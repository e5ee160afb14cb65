//! Memberships: a set of users for each value of each dimension, and for each role.

use std::sync::Arc;

use crate::domain::filter::Dimension;
use crate::domain::role::Role;
use crate::live::count::bits::Bits;
use crate::live::persistent::Chunks;

/// All memberships of a tenant. A clone shares every set until one side changes it.
#[derive(Clone, Debug, Default)]
pub struct Members {
    sets: [Chunks<Option<Arc<Bits>>>; Dimension::ALL.len()],
    roles: [Arc<Bits>; Role::ALL.len()],
}

impl Members {
    /// Creates the memberships of these sets: by dimension and row, and by role.
    pub(super) fn new(
        sets: [Chunks<Option<Arc<Bits>>>; Dimension::ALL.len()],
        roles: [Arc<Bits>; Role::ALL.len()],
    ) -> Self {
        Members { sets, roles }
    }

    /// The users with one value, given by its row in the dimension's table; `None` if no user ever had it.
    pub fn of(&self, dimension: Dimension, row: u32) -> Option<&Arc<Bits>> {
        self.sets[dimension as usize].get(row as usize)?.as_ref()
    }

    /// The users that have a role.
    pub fn role(&self, role: Role) -> &Arc<Bits> {
        &self.roles[role as usize]
    }

    /// Mutable access to the set of [`Members::of`]; creates it if absent.
    pub fn of_mut(&mut self, dimension: Dimension, row: u32) -> &mut Bits {
        Arc::make_mut(self.sets[dimension as usize].reach(row as usize).get_or_insert_default())
    }

    /// Mutable access to the set of [`Members::role`].
    pub fn role_mut(&mut self, role: Role) -> &mut Bits {
        Arc::make_mut(&mut self.roles[role as usize])
    }

    /// Bytes that the sets occupy on the heap.
    pub fn heap_bytes(&self) -> usize {
        let sets = self.sets.iter().flat_map(Chunks::iter).flatten().chain(&self.roles);
        let lists: usize = self.sets.iter().map(Chunks::heap_bytes).sum();
        // 16 bytes are the two reference counters of each `Arc`.
        lists + sets.map(|set| set.heap_bytes() + size_of::<Bits>() + 16).sum::<usize>()
    }

    /// Counts the elements and pointers that these memberships do not share with `before`, an earlier clone of them.
    pub fn copied_since(&self, before: &Self) -> usize {
        let lists = self.sets.iter().zip(&before.sets).map(|(sets, old)| sets.copied_since(old));
        let sets = self.sets.iter().flat_map(Chunks::iter).zip(before.sets.iter().flat_map(Chunks::iter));
        let sets = sets.filter_map(|(set, old)| Some((set.as_ref()?, old.as_ref()?)));
        let roles = self.roles.iter().zip(&before.roles);
        let copied = sets.chain(roles).filter(|(set, old)| !Arc::ptr_eq(set, old));
        lists.sum::<usize>() + copied.map(|(set, old)| set.copied_since(old)).sum::<usize>()
    }
}

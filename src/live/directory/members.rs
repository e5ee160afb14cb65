//! Memberships: one set of users per value of each dimension, and per role.

use std::sync::Arc;

use crate::domain::filter::Dimension;
use crate::domain::role::Role;
use crate::live::bits::Bits;
use crate::live::persistent::Chunks;

/// All memberships of a tenant. A copy shares every set that has not changed since.
#[derive(Clone, Debug, Default)]
pub struct Members {
    sets: [Chunks<Option<Arc<Bits>>>; Dimension::ALL.len()],
    roles: [Arc<Bits>; Role::ALL.len()],
}

impl Members {
    /// The users of one value, by its row in the dimension's table.
    pub fn of(&self, dimension: Dimension, row: u32) -> Option<&Bits> {
        self.sets[dimension as usize].get(row as usize)?.as_deref()
    }

    /// The users with a role.
    pub fn role(&self, role: Role) -> &Bits {
        &self.roles[role as usize]
    }

    /// As [`Members::of`], to be changed.
    pub fn of_mut(&mut self, dimension: Dimension, row: u32) -> &mut Bits {
        Arc::make_mut(self.sets[dimension as usize].reach(row as usize).get_or_insert_default())
    }

    /// As [`Members::role`], to be changed.
    pub fn role_mut(&mut self, role: Role) -> &mut Bits {
        Arc::make_mut(&mut self.roles[role as usize])
    }

    /// Bytes that the sets occupy.
    pub fn heap_bytes(&self) -> usize {
        let sets = self.sets.iter().flat_map(Chunks::iter).flatten().chain(&self.roles);
        let lists: usize = self.sets.iter().map(Chunks::heap_bytes).sum();
        lists + sets.map(|set| set.heap_bytes() + size_of::<Bits>() + 16).sum::<usize>()
    }

    /// The number of elements and pointers that this copy does not share with the memberships `before` it.
    pub fn copied_since(&self, before: &Self) -> usize {
        let lists = self.sets.iter().zip(&before.sets).map(|(sets, old)| sets.copied_since(old));
        let sets = self.sets.iter().flat_map(Chunks::iter).zip(before.sets.iter().flat_map(Chunks::iter));
        let sets = sets.filter_map(|(set, old)| Some((set.as_ref()?, old.as_ref()?)));
        let roles = self.roles.iter().zip(&before.roles);
        let copied = sets.chain(roles).filter(|(set, old)| !Arc::ptr_eq(set, old));
        lists.sum::<usize>() + copied.map(|(set, old)| set.copied_since(old)).sum::<usize>()
    }
}

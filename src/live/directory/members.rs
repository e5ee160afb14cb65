//! Who belongs where: one set of users per value of each dimension, and per role.

use std::sync::Arc;

use crate::domain::filter::Dimension;
use crate::domain::role::Role;
use crate::live::bits::Bits;

/// All memberships of a tenant. A copy shares every set that has not changed since.
#[derive(Clone, Debug, Default)]
pub struct Members {
    sets: [Vec<Arc<Bits>>; Dimension::ALL.len()],
    roles: [Arc<Bits>; Role::ALL.len()],
}

impl Members {
    /// The users of one value, by its row in the dimension's table.
    pub fn of(&self, dimension: Dimension, row: u32) -> Option<&Bits> {
        self.sets[dimension as usize].get(row as usize).map(Arc::as_ref)
    }

    /// The users with a role.
    pub fn role(&self, role: Role) -> &Bits {
        &self.roles[role as usize]
    }

    /// As [`Members::of`], to be changed.
    pub fn of_mut(&mut self, dimension: Dimension, row: u32) -> &mut Bits {
        let sets = &mut self.sets[dimension as usize];
        if sets.len() <= row as usize {
            sets.resize_with(row as usize + 1, Arc::default);
        }
        Arc::make_mut(&mut sets[row as usize])
    }

    /// As [`Members::role`], to be changed.
    pub fn role_mut(&mut self, role: Role) -> &mut Bits {
        Arc::make_mut(&mut self.roles[role as usize])
    }

    /// Bytes that the sets occupy.
    pub fn heap_bytes(&self) -> usize {
        self.sets.iter().flatten().chain(&self.roles).map(|set| set.heap_bytes() + size_of::<Bits>() + 16).sum()
    }
}

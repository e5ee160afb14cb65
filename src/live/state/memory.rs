//! The memory of a state, part by part.

use super::State;
use crate::live::since::Since;

/// Bytes on the heap by part of a state, without what the allocator adds to each allocation.
#[derive(Clone, Copy, Debug)]
pub struct Memory {
    /// Profiles with their texts and lists.
    pub profiles: usize,
    /// The list of accounts, and the maps from ids and addresses to them.
    pub lookups: usize,
    /// Presences, switches and sessions.
    pub people: usize,
    /// The details that views show.
    pub details: usize,
    /// The tracked values, and when they changed.
    pub since: usize,
    /// The counting index.
    pub index: usize,
    /// The sets of users by value and role.
    pub members: usize,
    /// Claims, with the ids of their conversations and the holders' lists.
    pub claims: usize,
}

impl State {
    /// Measures the memory of the state. Visits everything.
    pub fn memory(&self) -> Memory {
        let users = self.directory.users();
        let accounts = (0..users.len() as u32).filter_map(|ix| users.account(ix));
        let sinces = self.since.iter().map(Since::heap_bytes);
        let claims = self.claims.iter().map(|(conversation, claim)| {
            // 16 bytes are the two reference counters of the id.
            conversation.as_str().len() + 16 + claim.heap_bytes()
        });
        Memory {
            profiles: accounts.map(|account| account.profile.heap_bytes()).sum(),
            lookups: users.heap_bytes(),
            people: self.people.heap_bytes() + self.people.iter().map(|person| person.heap_bytes()).sum::<usize>(),
            details: self.details.heap_bytes(),
            since: self.values.heap_bytes() + self.since.heap_bytes() + sinces.sum::<usize>(),
            index: self.index.heap_bytes(),
            members: self.directory.members().heap_bytes(),
            claims: self.claims.heap_bytes()
                + claims.sum::<usize>()
                + self.people.iter().map(|person| person.held.heap_bytes()).sum::<usize>(),
        }
    }
}

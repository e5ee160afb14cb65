//! All connections, and which of them can be closed.

use std::collections::{BTreeMap, HashMap};

use tokio_util::sync::CancellationToken;

use super::SocketLimits;
use crate::domain::{Fault, TenantId};
use crate::limits::holders::{Holder, Holders};

/// The connections of this process.
#[derive(Debug, Default)]
pub struct State {
    /// The newest number given to a connection, or to its place in an order.
    pub next: u64,
    /// Every connection, by its number.
    pub entries: HashMap<u64, Entry>,
    /// The connections outside of the reserved places, and which of them can be closed.
    pub holders: Holders,
    /// The connections in reserved places, by a number that ascends with time.
    pub reserved: BTreeMap<u64, u64>,
    /// The connections with a long unfinished head.
    pub long_heads: Holders,
    /// The number of connections that cannot be closed, by tenant: persistent ones, and connections with a running request.
    pub held: HashMap<TenantId, usize>,
    /// The sum of `held`.
    pub all_held: usize,
}

/// The state of one connection.
#[derive(Debug)]
pub struct Entry {
    /// True in a reserved place.
    pub is_reserved: bool,
    /// The account that it counts for. A new request of a tenant's connection counts for the tenant until it has another
    /// valid credential.
    pub holder: Holder,
    /// Its number in the order of its holder, or of the reserved places; `None` if it cannot be closed.
    pub number: Option<u64>,
    /// Its number among the long unfinished heads.
    pub long_head: Option<u64>,
    pub is_persistent: bool,
    /// The tenant for which it is counted in `State::held`.
    pub held_by: Option<TenantId>,
    /// Cancelled when the connection is closed to make room.
    pub cut: CancellationToken,
}

impl State {
    /// Returns a number that is larger than all before.
    fn new_number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    /// Adds a connection; returns its number, and the token that is cancelled when it is closed to make room.
    pub fn add(&mut self, holder: Holder, is_reserved: bool) -> (u64, CancellationToken) {
        let (id, cut) = (self.new_number(), CancellationToken::new());
        if !is_reserved {
            self.holders.enter(holder);
        }
        let (number, long_head, is_persistent, held_by) = (None, None, false, None);
        let entry = Entry { is_reserved, holder, number, long_head, is_persistent, held_by, cut: cut.clone() };
        self.entries.insert(id, entry);
        self.allow(id);
        (id, cut)
    }

    /// Allows to close a connection, as the newest of its holder.
    pub fn allow(&mut self, id: u64) {
        self.forbid(id);
        let number = self.new_number();
        let Some(entry) = self.entries.get_mut(&id) else { return };
        entry.number = Some(number);
        if entry.is_reserved {
            self.reserved.insert(number, id);
        } else {
            self.holders.allow(entry.holder, number, id);
        }
    }

    /// Forbids to close a connection.
    pub fn forbid(&mut self, id: u64) {
        let Some(entry) = self.entries.get_mut(&id) else { return };
        match entry.number.take() {
            Some(number) if entry.is_reserved => drop(self.reserved.remove(&number)),
            Some(number) => self.holders.forbid(entry.holder, number),
            None => {}
        }
    }

    /// Counts a connection for a tenant from now on. It cannot be closed until it is allowed again.
    pub fn give(&mut self, id: u64, tenant: TenantId) {
        self.forbid(id);
        self.end_head(id);
        let Some(entry) = self.entries.get_mut(&id) else { return };
        let before = std::mem::replace(&mut entry.holder, Holder::Tenant(tenant));
        entry.held_by = Some(tenant);
        if !entry.is_reserved {
            self.holders.leave(before);
            self.holders.enter(entry.holder);
        }
    }

    /// Moves a connection from a reserved place to one that is free.
    pub fn promote(&mut self, id: u64) {
        self.forbid(id);
        let Some(entry) = self.entries.get_mut(&id) else { return };
        entry.is_reserved = false;
        self.holders.enter(entry.holder);
    }

    /// Closes the longest idle connection of the holder with the most. Returns false if none can be closed.
    pub fn close_one(&mut self) -> bool {
        self.holders.victim().is_some_and(|id| self.close(id))
    }

    /// Closes the oldest connection in a reserved place. Returns false if there is none.
    pub fn close_reserved(&mut self) -> bool {
        let first = self.reserved.first_key_value().map(|(_, id)| *id);
        first.is_some_and(|id| self.close(id))
    }

    /// Closes a connection. Returns false if it has ended already.
    pub fn close(&mut self, id: u64) -> bool {
        let entry = self.remove(id);
        entry.inspect(|entry| entry.cut.cancel()).is_some()
    }

    /// Removes a connection that was closed or has ended.
    pub fn remove(&mut self, id: u64) -> Option<Entry> {
        self.forbid(id);
        self.end_head(id);
        let entry = self.entries.remove(&id)?;
        if !entry.is_reserved {
            self.holders.leave(entry.holder);
        }
        if let Some(tenant) = entry.held_by {
            self.release(tenant);
        }
        Some(entry)
    }

    /// Counts the unfinished head of a connection among the long ones.
    pub fn begin_long_head(&mut self, id: u64) {
        let number = self.new_number();
        let Some(entry) = self.entries.get_mut(&id).filter(|entry| entry.long_head.is_none()) else { return };
        entry.long_head = Some(number);
        self.long_heads.enter(entry.holder);
        self.long_heads.allow(entry.holder, number, id);
    }

    /// Notes that a connection's head was received to its end.
    pub fn end_head(&mut self, id: u64) {
        let Some(entry) = self.entries.get_mut(&id) else { return };
        if let Some(number) = entry.long_head.take() {
            self.long_heads.forbid(entry.holder, number);
            self.long_heads.leave(entry.holder);
        }
    }

    /// Counts a connection of a tenant that cannot be closed. [`Fault::TooMany`] unless the tenant has fewer of them
    /// than there are places without one: one tenant gets at most half of the places, and some are always left for the
    /// next.
    pub fn hold(&mut self, tenant: TenantId, limits: Option<SocketLimits>) -> Result<(), Fault> {
        let own = self.held.get(&tenant).copied().unwrap_or_default();
        if limits.is_some_and(|limits| own >= limits.places.saturating_sub(self.all_held)) {
            return Err(Fault::TooMany { seconds: 1 });
        }
        self.all_held += 1;
        *self.held.entry(tenant).or_default() += 1;
        Ok(())
    }

    /// Counts one connection less that cannot be closed.
    pub fn release(&mut self, tenant: TenantId) {
        self.all_held -= 1;
        if let Some(held) = self.held.get_mut(&tenant) {
            *held -= 1;
            if *held == 0 {
                self.held.remove(&tenant);
            }
        }
    }
}

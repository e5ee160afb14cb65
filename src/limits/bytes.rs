//! Bounds the bytes held in memory for callers: request bodies, and answers that were not read yet.
//!
//! A caller may take bytes as long as it then holds no more than was free before, as in the engine's queue: one that
//! floods gets half, two get a third each, and there is always something left for the next.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::domain::{Fault, TenantId};

/// The account that bytes are charged to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Owner {
    /// All callers without a valid credential together.
    Unauthenticated,
    /// All requests of the administrator together.
    Administrator,
    /// All callers of one tenant together.
    Tenant(TenantId),
}

/// The bounds, in bytes. All follow from `--memory-budget`. The rest of it is left for bodies while they are parsed,
/// other answers while they are built, and the engine's queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryBudget {
    /// Bytes of request bodies held at a time.
    pub bodies: usize,
    /// Bytes of unread answers, and of GraphQL's long answers while they are built, held at a time.
    pub answers: usize,
    /// Bytes of long heads of requests and handshakes held at a time that are not complete yet.
    pub heads: usize,
}

impl MemoryBudget {
    /// The default of `--memory-budget`, in MiB.
    pub const DEFAULT_MIB: usize = 1_024;
    /// The least `--memory-budget`, in MiB: one tenant's half of the bytes for bodies fits the largest body.
    pub const LEAST_MIB: usize = 512;

    /// Divides a memory budget: an eighth for bodies, which grow to several times their size while they are parsed, a
    /// quarter for answers, and a sixteenth for heads.
    pub const fn of_mib(mib: usize) -> Self {
        let bytes = mib * 1024 * 1024;
        MemoryBudget { bodies: bytes / 8, answers: bytes / 4, heads: bytes / 16 }
    }

    /// Returns the number of long unfinished heads at a time.
    pub const fn long_heads(self) -> usize {
        self.heads / LONG_HEAD_BYTES
    }
}

impl Default for MemoryBudget {
    fn default() -> Self {
        MemoryBudget::of_mib(MemoryBudget::DEFAULT_MIB)
    }
}

/// Bytes of memory that a long unfinished head may take: the buffer for 32 KiB grows by doubling.
const LONG_HEAD_BYTES: usize = 64 * 1024;
/// The divisor of the bound for all unauthenticated callers together.
const UNAUTHENTICATED_PART: usize = 16;
/// Seconds after which a rejected caller may retry.
const RETRY_SECONDS: u32 = 1;

/// A bound on bytes held at a time, and the accounts they are charged to. A clone shares it.
#[derive(Clone, Debug)]
pub struct ByteBudget(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    bound: usize,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    all: usize,
    owners: HashMap<Owner, usize>,
}

/// Held bytes, released when dropped.
#[derive(Debug)]
pub struct BytePermit {
    budget: ByteBudget,
    owner: Owner,
    bytes: usize,
}

impl ByteBudget {
    /// Makes a budget of `bound` bytes.
    pub fn new(bound: usize) -> Self {
        ByteBudget(Arc::new(Inner { bound, held: Mutex::default() }))
    }

    /// Takes bytes for a caller. A number above the caller's share counts as the share, so that a large body or answer
    /// is admitted when the caller holds nothing else.
    ///
    /// [`Fault::TooMany`] beyond the caller's own share, [`Fault::Unavailable`] if other callers hold too much.
    pub fn take(&self, owner: Owner, bytes: usize) -> Result<BytePermit, Fault> {
        let (share, mut held) = (self.share(owner), self.0.held.lock());
        let own = held.owners.get(&owner).copied().unwrap_or_default();
        let bytes = bytes.min(share);
        if own + bytes > share {
            return Err(Fault::TooMany { seconds: RETRY_SECONDS });
        }
        // Saturating, since bytes that are only counted may exceed the bound.
        if own + bytes > self.0.bound.saturating_sub(held.all) {
            return Err(Fault::Unavailable("other callers use too much memory"));
        }
        held.add(owner, bytes);
        Ok(BytePermit { budget: self.clone(), owner, bytes })
    }

    /// Charges bytes to a caller without enforcing the bound: for small answers, and for pieces of streamed ones.
    pub fn count(&self, owner: Owner, bytes: usize) -> BytePermit {
        self.0.held.lock().add(owner, bytes);
        BytePermit { budget: self.clone(), owner, bytes }
    }

    /// Rejects a caller with [`Fault::TooMany`] if its share is used up, before more is built for it.
    pub fn check(&self, owner: Owner) -> Result<(), Fault> {
        let own = self.0.held.lock().owners.get(&owner).copied().unwrap_or_default();
        if own >= self.share(owner) { Err(Fault::TooMany { seconds: RETRY_SECONDS }) } else { Ok(()) }
    }

    /// Returns the bytes held now.
    pub fn held(&self) -> usize {
        self.0.held.lock().all
    }

    fn share(&self, owner: Owner) -> usize {
        match owner {
            Owner::Unauthenticated => self.0.bound / UNAUTHENTICATED_PART,
            Owner::Administrator | Owner::Tenant(_) => self.0.bound / 2,
        }
    }
}

impl Held {
    fn add(&mut self, owner: Owner, bytes: usize) {
        self.all += bytes;
        *self.owners.entry(owner).or_default() += bytes;
    }
}

impl BytePermit {
    /// Takes more on the same account, with the errors of [`ByteBudget::take`].
    pub fn grow(&mut self, bytes: usize) -> Result<(), Fault> {
        let mut more = self.budget.take(self.owner, bytes)?;
        // Moved out of the second permit, which then releases nothing when it is dropped.
        self.bytes += std::mem::take(&mut more.bytes);
        Ok(())
    }
}

impl Drop for BytePermit {
    fn drop(&mut self) {
        if self.bytes == 0 {
            return;
        }
        let Held { all, owners } = &mut *self.budget.0.held.lock();
        *all -= self.bytes;
        if let Some(own) = owners.get_mut(&self.owner) {
            *own -= self.bytes;
            if *own == 0 {
                owners.remove(&self.owner);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    const fn tenant(n: u128) -> Owner {
        Owner::Tenant(TenantId(Uuid::from_u128(n)))
    }

    const FULL: Fault = Fault::TooMany { seconds: 1 };

    #[test]
    fn one_caller_gets_half_and_leaves_bytes_for_the_next() {
        let budget = ByteBudget::new(1_600);
        let mut held = Vec::new();
        for (owner, expected) in [(tenant(1), 800), (tenant(2), 400), (tenant(3), 200), (Owner::Unauthenticated, 100)] {
            let taken: Vec<_> = std::iter::from_fn(|| budget.take(owner, 10).ok()).collect();
            assert_eq!(taken.len() * 10, expected, "{owner:?}");
            held.push(taken);
        }
        assert_eq!(budget.take(tenant(1), 10).unwrap_err(), FULL, "its own share");
        assert!(matches!(budget.take(tenant(2), 10), Err(Fault::Unavailable(_))), "the share of others");
        assert_eq!(budget.take(Owner::Unauthenticated, 10).unwrap_err(), FULL);
        held.clear();
        assert_eq!(budget.held(), 0);
        assert!(budget.0.held.lock().owners.is_empty());
    }

    #[test]
    fn a_large_request_is_admitted_when_the_caller_holds_nothing_else() {
        let budget = ByteBudget::new(1_000);
        let small = budget.count(tenant(1), 1);
        assert_eq!(budget.take(tenant(1), 1_000_000).unwrap_err(), FULL);
        drop(small);
        let large = budget.take(tenant(1), 1_000_000).unwrap();
        assert_eq!(budget.check(tenant(1)), Err(FULL));
        assert_eq!((budget.check(tenant(2)), budget.held()), (Ok(()), 500));
        drop(large);
        assert_eq!(budget.check(tenant(1)), Ok(()));
    }

    #[test]
    fn a_grown_permit_releases_all_its_bytes() {
        let budget = ByteBudget::new(100);
        let mut permit = budget.take(tenant(1), 20).unwrap();
        assert_eq!((permit.grow(30), permit.grow(1)), (Ok(()), Err(FULL)));
        assert_eq!(budget.held(), 50);
        drop(permit);
        assert_eq!(budget.held(), 0);
    }
}

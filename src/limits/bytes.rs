//! Bytes held in memory for callers: bodies that arrive, and answers that wait to be read.
//!
//! A caller is let in while it holds less than is still free, as in the queue before the engine: one that floods gets
//! half, two get a third each, and there is always something left for the next.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::domain::{Fault, TenantId};

/// On whose account bytes are held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Owner {
    /// All callers that have not shown a valid credential, together.
    Unauthenticated,
    /// The administrator.
    Administrator,
    /// A tenant.
    Tenant(TenantId),
}

/// The bounds, in bytes. Both follow from `--memory-budget`: the rest of it is for what bodies become while they are
/// parsed, for answers while they are built, and for the queue before the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryBudget {
    /// Request bodies at a time.
    pub bodies: usize,
    /// Answers at a time that were not read yet.
    pub answers: usize,
}

impl MemoryBudget {
    /// The default of `--memory-budget`, in MiB.
    pub const DEFAULT_MIB: usize = 1_024;
    /// The least, in MiB: half of its share for bodies has room for the largest body.
    pub const LEAST_MIB: usize = 512;

    /// An eighth for bodies, since a body becomes several times its size while it is parsed, and a quarter for answers.
    pub const fn of_mib(mib: usize) -> Self {
        MemoryBudget { bodies: mib * 1024 * 1024 / 8, answers: mib * 1024 * 1024 / 4 }
    }
}

impl Default for MemoryBudget {
    fn default() -> Self {
        MemoryBudget::of_mib(MemoryBudget::DEFAULT_MIB)
    }
}

/// All unauthenticated callers together hold at most this part.
const UNAUTHENTICATED_PART: usize = 16;
/// When what is held may have been given back.
const RETRY_SECONDS: u32 = 1;

/// A bound on bytes held at a time, and who holds them. A clone shares it.
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

/// Bytes that are held; given back when dropped.
#[derive(Debug)]
pub struct BytePermit {
    budget: ByteBudget,
    owner: Owner,
    bytes: usize,
}

impl ByteBudget {
    /// A budget of so many bytes.
    pub fn new(bound: usize) -> Self {
        ByteBudget(Arc::new(Inner { bound, held: Mutex::default() }))
    }

    /// Takes bytes for a caller. [`Fault::TooMany`] past its own share, [`Fault::Unavailable`] when others hold too
    /// much. More than the largest share count as that share, so that what is large can be taken when nothing else is
    /// held.
    pub fn take(&self, owner: Owner, bytes: usize) -> Result<BytePermit, Fault> {
        let (share, mut held) = (self.share(owner), self.0.held.lock());
        let own = held.owners.get(&owner).copied().unwrap_or_default();
        let bytes = bytes.min(share);
        if own + bytes > share {
            return Err(Fault::TooMany { seconds: RETRY_SECONDS });
        }
        if own + bytes > self.0.bound.saturating_sub(held.all) {
            return Err(Fault::Unavailable("too much is held for other callers"));
        }
        held.add(owner, bytes);
        Ok(BytePermit { budget: self.clone(), owner, bytes })
    }

    /// Counts bytes that are held already, whatever the bound: what is small, or comes piece by piece.
    pub fn count(&self, owner: Owner, bytes: usize) -> BytePermit {
        self.0.held.lock().add(owner, bytes);
        BytePermit { budget: self.clone(), owner, bytes }
    }

    /// [`Fault::TooMany`] when a caller's share is used up, before anything more is made for it.
    pub fn check(&self, owner: Owner) -> Result<(), Fault> {
        let own = self.0.held.lock().owners.get(&owner).copied().unwrap_or_default();
        if own >= self.share(owner) { Err(Fault::TooMany { seconds: RETRY_SECONDS }) } else { Ok(()) }
    }

    /// The bytes held now.
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
    fn one_caller_gets_half_and_leaves_something_for_the_next() {
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
    fn a_large_one_is_taken_when_nothing_else_is_held() {
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
    fn what_grows_is_given_back_as_a_whole() {
        let budget = ByteBudget::new(100);
        let mut permit = budget.take(tenant(1), 20).unwrap();
        assert_eq!((permit.grow(30), permit.grow(1)), (Ok(()), Err(FULL)));
        assert_eq!(budget.held(), 50);
        drop(permit);
        assert_eq!(budget.held(), 0);
    }
}

//! What one tenant, all unauthenticated callers together and the whole service may use at a time.

pub mod budget;
pub mod turns;

pub use budget::{Budget, Budgets};
pub use turns::{FairQueue, QueueLimits, QueuePermit, TurnKey};

//! What one tenant, all unauthenticated callers together and the whole service may use at a time.

pub mod budget;

pub use budget::{Budget, Budgets};

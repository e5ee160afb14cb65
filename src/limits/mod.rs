//! Limits on the resources in use: of one tenant, of all unauthenticated callers together, and of the whole service.

pub mod budget;
pub mod bytes;
pub mod handshakes;
pub mod holders;
pub mod rate;
pub mod sockets;
pub mod tenants;
pub mod throttle;
pub mod turns;

pub use budget::{Budget, Budgets};
pub use bytes::{ByteBudget, BytePermit, MemoryBudget, Owner};
pub use handshakes::{HandshakePermit, Handshakes};
pub use sockets::{ConnectionPermit, Sockets};
pub use tenants::{TenantBudgets, TenantLimits, TenantPermit};
pub use throttle::Throttle;
pub use turns::{FairQueue, QueueLimits, QueuePermit, TurnKey};

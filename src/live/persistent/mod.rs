//! Persistent containers: a clone is cheap and shares everything that neither side changes afterwards.

mod chunks;
mod keyed;
mod lookup;
mod maps;
pub(super) mod steps;

pub use chunks::Chunks;
pub(super) use keyed::Keyed;
pub use lookup::{Lookup, LookupBuilder};
pub(super) use maps::{Map, Ordered};

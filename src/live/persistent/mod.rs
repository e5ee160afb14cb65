//! Containers of which a copy is cheap: it shares everything that neither side changes afterwards.

mod chunks;
mod lookup;

pub use chunks::Chunks;
pub use lookup::Lookup;

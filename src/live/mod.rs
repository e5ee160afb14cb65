//! The state of each tenant, derived by applying its journal, and the immutable views that readers query.
//!
//! Pure and synchronous: no clock, no I/O, and no lock that a reader waits for. The same entries always give the same state and the same outcomes.

pub mod boards;
pub mod claim;
pub mod conversations;
pub mod count;
pub mod details;
pub mod directory;
pub mod listed;
pub mod persistent;
pub mod person;
pub mod selection;
pub mod since;
pub mod state;
pub mod stored;
mod tight;
pub mod view;

pub use count::fold::{Aggregate, fold};
pub use directory::Directory;
pub use listed::Listed;
pub use selection::Selection;
pub use since::Tracked;
pub use state::State;
pub use stored::{Checkpoint, Row, RowKey};
pub use view::View;

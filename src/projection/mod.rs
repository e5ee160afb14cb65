//! Projections from a view to numbers, one aggregate per file, with the specification that defines it.

pub mod available;
pub mod capacity;
pub mod cells;
pub mod headcount;
pub mod occupancy;
pub mod presence_summary;
pub mod readiness;
pub mod reasons;
pub mod roster;

pub use available::Available;
pub use capacity::Capacity;
pub use headcount::Headcount;
pub use occupancy::Occupancy;
pub use presence_summary::PresenceSummary;
pub use readiness::Readiness;
pub use reasons::Reasons;

//! Several implementations that answer the same two questions about the same people.

pub mod naive;
pub mod ours;
pub mod roaring;

use rollcall::domain::Channel;
use rollcall::domain::status::Liveness;
use rollcall::projection::{Capacity, Headcount, Occupancy, PresenceSummary, Readiness};

/// The numbers that a dashboard reads over GraphQL.
pub type Counts = (Headcount, Occupancy);
/// All numbers of all dialects.
pub type Everything = (Counts, (Readiness, (PresenceSummary, Capacity)));

/// Returns counts of zero.
pub fn counts() -> Counts {
    (Headcount::default(), Occupancy::on(Channel::Chat))
}

/// Returns zero for every number.
pub fn everything() -> Everything {
    (counts(), (Readiness::default(), (PresenceSummary::default(), Capacity::of(Liveness::Live))))
}

/// A filter: people in any of the groups, with any of the skills, on any of the projects. `None` in its place means no
/// filter.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Integer ids of groups.
    pub groups: Vec<u32>,
    /// Integer ids of skills.
    pub skills: Vec<u32>,
    /// Integer ids of projects.
    pub projects: Vec<u32>,
}

/// One implementation.
pub trait Rival {
    /// The implementation's own form of a filter.
    type Question;

    /// Converts a filter to the implementation's own form, outside of the measured time.
    fn question(wanted: Option<&Wanted>) -> Self::Question;

    /// Counts the dashboard's numbers.
    fn counts(&self, question: &Self::Question) -> Counts;

    /// Counts all numbers.
    fn everything(&self, question: &Self::Question) -> Everything;
}

//! Several ways to answer the same two questions about the same people.

pub mod naive;
pub mod ours;
pub mod roaring;

use rollcall::domain::Channel;
use rollcall::domain::status::Liveness;
use rollcall::projection::{Capacity, Headcount, Occupancy, PresenceSummary, Readiness};

/// What a dashboard asks in GraphQL.
pub type Counts = (Headcount, Occupancy);
/// Every number of every dialect.
pub type Everything = (Counts, (Readiness, (PresenceSummary, Capacity)));

/// Nothing counted yet.
pub fn counts() -> Counts {
    (Headcount::default(), Occupancy::on(Channel::Chat))
}

/// Nothing counted yet.
pub fn everything() -> Everything {
    (counts(), (Readiness::default(), (PresenceSummary::default(), Capacity::of(Liveness::Live))))
}

/// Whom a question is about: in any of these groups, with any of these skills, on any of these projects. No filter at
/// all is the absence of this.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Groups, by id.
    pub groups: Vec<u32>,
    /// Skills.
    pub skills: Vec<u32>,
    /// Projects.
    pub projects: Vec<u32>,
}

/// One way to answer.
pub trait Rival {
    /// What a question looks like to this rival.
    type Question;

    /// Puts the question in the rival's own form, outside the measured time.
    fn question(wanted: Option<&Wanted>) -> Self::Question;

    /// Answers the smaller question.
    fn counts(&self, question: &Self::Question) -> Counts;

    /// Answers the larger one.
    fn everything(&self, question: &Self::Question) -> Everything;
}

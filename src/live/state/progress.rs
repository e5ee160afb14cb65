//! Applying in steps.

use super::{Gap, State};
use crate::domain::{Entry, Outcome};

/// How far an entry has been applied.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// To its end.
    Done(Outcome),
    /// Not to its end.
    More,
}

impl State {
    /// Starts applying the next entry.
    pub fn begin(&mut self, entry: &Entry, _steps: usize) -> Result<Step, Gap> {
        self.apply(entry).map(Step::Done)
    }

    /// Goes on.
    pub fn resume(&mut self, _steps: usize) -> Step {
        Step::More
    }

    /// Whether an entry has been applied in part.
    pub fn is_applying(&self) -> bool {
        false
    }
}

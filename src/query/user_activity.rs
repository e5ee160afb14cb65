//! Counts the agents that are logged in, and those that can be given a call.

use crate::domain::Filter;
use crate::live::View;
use crate::projection::Readiness;

/// Counts the agents of a selection.
pub fn user_activity(view: &View, filter: &Filter) -> Readiness {
    view.count(filter, Readiness::default())
}

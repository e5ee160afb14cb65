//! How many agents are logged in and can be given a call.

use crate::domain::Filter;
use crate::live::View;
use crate::projection::Readiness;

/// Counts over the selection.
pub fn user_activity(view: &View, filter: &Filter) -> Readiness {
    view.count(filter, Readiness::default())
}

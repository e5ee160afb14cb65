//! Counts the agents that are logged in, and those that can be given work on the tenant's reference channel.

use crate::domain::Filter;
use crate::live::View;
use crate::projection::Readiness;

/// Counts the agents of a selection.
pub fn user_activity(view: &View, filter: &Filter) -> Readiness {
    view.count_kept(filter, Readiness::on(view.directory().settings().reference_channel))
}

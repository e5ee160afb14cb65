//! Counts agents by presence, and those with capacity for one more interaction.

use crate::domain::Filter;
use crate::domain::status::Liveness;
use crate::live::View;
use crate::projection::{Capacity, PresenceSummary};

/// Counts the agents of a selection by presence.
pub fn presence_summary(view: &View, filter: &Filter) -> PresenceSummary {
    view.count_kept(filter, PresenceSummary::default())
}

/// Counts presences and capacity in one pass over the selection.
pub fn agents_availability(view: &View, filter: &Filter, liveness: Liveness) -> (PresenceSummary, Capacity) {
    view.count_kept(filter, (PresenceSummary::default(), Capacity::of(liveness)))
}

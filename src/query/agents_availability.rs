//! How many agents are in each presence, and how many have room for one more interaction.

use crate::domain::Filter;
use crate::domain::status::Liveness;
use crate::live::View;
use crate::projection::{Capacity, PresenceSummary};

/// The presences alone.
pub fn presence_summary(view: &View, filter: &Filter) -> PresenceSummary {
    view.count(filter, PresenceSummary::default())
}

/// Presences and room, in one pass over the selection.
pub fn agents_availability(view: &View, filter: &Filter, liveness: Liveness) -> (PresenceSummary, Capacity) {
    view.count(filter, (PresenceSummary::default(), Capacity::of(liveness)))
}

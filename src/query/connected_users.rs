//! Counts the connected people: their status on chat, and their occupancy.

use crate::domain::{Channel, Filter};
use crate::live::View;
use crate::projection::{Headcount, Occupancy};

/// Counts headcount and occupancy on chat in one pass over the selection.
pub fn connected_users(view: &View, filter: &Filter) -> (Headcount, Occupancy) {
    view.count_kept(filter, (Headcount::default(), Occupancy::on(Channel::Chat)))
}

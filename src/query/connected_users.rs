//! How many people are connected, how they stand on chat, and how full they are.

use crate::domain::{Channel, Filter};
use crate::live::View;
use crate::projection::{Headcount, Occupancy};

/// Both in one pass over the selection.
pub fn connected_users(view: &View, filter: &Filter) -> (Headcount, Occupancy) {
    view.count(filter, (Headcount::default(), Occupancy::on(Channel::Chat)))
}

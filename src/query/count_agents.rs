//! Counts and lists the agents that can take work on a channel now.

use super::people::operators::operators;
use crate::domain::{Channel, Filter};
use crate::live::View;
use crate::projection::Available;
use crate::projection::roster::Connection;

/// Counts the available agents of a selection.
pub fn count_agents(view: &View, filter: &Filter, channel: Channel) -> u64 {
    view.count_kept(filter, Available::on(channel)).people
}

/// Returns the integer ids of the available agents of a selection, ascending.
pub fn list_agents(
    view: &View,
    filter: &Filter,
    channel: Channel,
) -> impl ExactSizeIterator<Item = i64> + Send + use<> {
    let ids: Vec<i64> =
        operators(view, filter, Connection::OnlineFor(channel)).iter().map(|profile| profile.id).collect();
    ids.into_iter()
}

//! Which agents can take work on a channel now, and how many they are.

use crate::domain::{Channel, Filter};
use crate::live::View;
use crate::projection::Available;
use crate::projection::roster::{Connection, roster};

/// How many of a selection.
pub fn count_agents(view: &View, filter: &Filter, channel: Channel) -> u64 {
    view.count(filter, Available::on(channel)).people
}

/// The integer ids of those, ascending.
pub fn list_agents(view: &View, filter: &Filter, channel: Channel) -> Vec<i64> {
    let found = roster(view, filter, Connection::OnlineFor(channel)).into_iter();
    let mut ids: Vec<_> = found.filter_map(|ix| Some(view.directory().profile(ix)?.id)).collect();
    ids.sort_unstable();
    ids
}

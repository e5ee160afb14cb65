//! Operators: their profiles and statistics.

use std::sync::Arc;

use crate::domain::{EntityRef, Filter, PackedProfile, UserRef};
use crate::live::View;
use crate::projection::roster::{Connection, roster_by_id};

/// Returns the operators of a selection, ascending by id.
pub fn operators<'v>(view: &'v View, filter: &Filter, connection: Connection) -> Vec<&'v Arc<PackedProfile>> {
    let found = roster_by_id(view, filter, connection).into_iter();
    found.filter_map(|ix| view.directory().profile(ix)).collect()
}

/// Finds an operator by integer id or GUID.
pub fn operator(view: &View, operator: EntityRef) -> Option<&Arc<PackedProfile>> {
    view.directory().profile_of(&UserRef::Entity(operator))
}

/// The statistics of one operator.
#[derive(Clone, Debug)]
pub struct Statistic {
    /// The operator's profile.
    pub profile: Arc<PackedProfile>,
    /// Conversations taken, each counted once.
    pub conversations: u64,
}

/// Returns one operator's statistics.
pub fn statistic(view: &View, operator: EntityRef) -> Option<Statistic> {
    let ix = view.directory().find(&UserRef::Entity(operator))?;
    Some(Statistic { profile: view.directory().profile(ix)?.clone(), conversations: view.detail(ix).handled })
}

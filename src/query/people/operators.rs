//! Who the operators of a selection are.

use std::sync::Arc;

use crate::domain::{EntityRef, Filter, Profile, UserRef};
use crate::live::View;
use crate::projection::roster::{Connection, roster_by_id};

/// The operators of a selection, ascending by id.
pub fn operators<'v>(view: &'v View, filter: &Filter, connection: Connection) -> Vec<&'v Arc<Profile>> {
    let found = roster_by_id(view, filter, connection).into_iter();
    found.filter_map(|ix| view.directory().profile(ix)).collect()
}

/// One operator.
pub fn operator(view: &View, operator: EntityRef) -> Option<&Arc<Profile>> {
    view.directory().profile_of(&UserRef::Entity(operator))
}

/// What one operator has done.
#[derive(Clone, Debug)]
pub struct Statistic {
    /// Who.
    pub profile: Arc<Profile>,
    /// Conversations taken, each counted once.
    pub conversations: u64,
}

/// One operator's figures.
pub fn statistic(view: &View, operator: EntityRef) -> Option<Statistic> {
    let ix = view.directory().find(&UserRef::Entity(operator))?;
    Some(Statistic { profile: view.directory().profile(ix)?.clone(), conversations: view.detail(ix).handled })
}

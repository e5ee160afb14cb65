//! How each operator stands on chat, call and video now.

use crate::domain::{Channel, EntityRef, Filter, UserRef};
use crate::live::View;
use crate::live::index::{Columns, Plane};
use crate::projection::roster::{Connection, roster};

/// One operator on one channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LiveChannel {
    /// The channel is enabled for the operator.
    pub enabled: bool,
    /// Conversations held, also while offline.
    pub current: u32,
    /// Conversations allowed.
    pub max: u32,
    /// Can take one more now.
    pub available: bool,
}

/// One operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OperatorLive {
    /// Integer id.
    pub id: i64,
    /// A desk is connected.
    pub connected: bool,
    /// Chat.
    pub chat: LiveChannel,
    /// Call.
    pub call: LiveChannel,
    /// Video.
    pub video: LiveChannel,
}

impl OperatorLive {
    fn of(id: i64, columns: &Columns) -> Self {
        let channel = |channel| LiveChannel {
            enabled: columns.has(Plane::Enabled(channel)),
            current: columns.current[channel],
            max: columns.max[channel],
            available: columns.has(Plane::Available(channel)),
        };
        OperatorLive {
            id,
            connected: columns.has(Plane::Connected),
            chat: channel(Channel::Chat),
            call: channel(Channel::Call),
            video: channel(Channel::Video),
        }
    }
}

/// The operators of a selection, ascending by id.
pub fn operators_live(view: &View, filter: &Filter, connection: Connection) -> Vec<OperatorLive> {
    let found = roster(view, filter, connection).into_iter();
    let mut operators: Vec<_> =
        found.filter_map(|ix| Some(OperatorLive::of(view.directory().profile(ix)?.id, &view.columns(ix)))).collect();
    operators.sort_unstable_by_key(|operator| operator.id);
    operators
}

/// One operator, connected or not.
pub fn operator_live(view: &View, operator: EntityRef) -> Option<OperatorLive> {
    let ix = view.directory().find(&UserRef::Entity(operator))?;
    Some(OperatorLive::of(view.directory().profile(ix)?.id, &view.columns(ix)))
}

//! How each operator stands on chat, call and video now.

use std::sync::Arc;

use crate::domain::{Channel, EntityRef, Filter, UserRef};
use crate::live::View;
use crate::live::count::index::{Columns, Plane};
use crate::projection::roster::{Connection, roster_by_id};

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
pub fn operators_live(
    view: &Arc<View>,
    filter: &Filter,
    connection: Connection,
) -> impl Iterator<Item = OperatorLive> + Send + use<> {
    let view = view.clone();
    let found = roster_by_id(&view, filter, connection).into_iter();
    found.filter_map(move |ix| Some(OperatorLive::of(view.directory().profile(ix)?.id, &view.columns(ix))))
}

/// One operator, connected or not.
pub fn operator_live(view: &View, operator: EntityRef) -> Option<OperatorLive> {
    let ix = view.directory().find(&UserRef::Entity(operator))?;
    Some(OperatorLive::of(view.directory().profile(ix)?.id, &view.columns(ix)))
}

//! Whether anybody can take a conversation for a routing rule now.

use super::reference::Reference;
use crate::domain::filter::{Clause, Dimension, Value};
use crate::domain::{Channel, EntityRef, Filter, PerChannel};
use crate::live::View;
use crate::projection::Available;

/// Whether at least one user of the rule's routing groups is available, by channel.
pub fn available(view: &View, rule: &Reference) -> PerChannel<bool> {
    let groups = rule.routing_groups();
    // A rule without groups is for nobody, where a filter without values is for everybody.
    if groups.is_empty() {
        return PerChannel::default();
    }
    let values = groups.iter().map(|group| Value::Entity(EntityRef::Guid(*group))).collect();
    let members = Filter::default().and(Clause::Any(Dimension::RoutingGroup, values));
    PerChannel::from_fn(|channel: Channel| view.count(&members, Available::on(channel)).people > 0)
}

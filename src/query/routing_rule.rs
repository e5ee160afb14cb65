//! Availability for a routing rule.

use super::reference::Reference;
use crate::domain::filter::{Clause, Dimension, Value};
use crate::domain::{Channel, EntityRef, Filter, PerChannel};
use crate::live::View;
use crate::projection::Available;

/// Returns, by channel, true if at least one user of the rule's routing groups is available.
pub fn available(view: &View, rule: &Reference) -> PerChannel<bool> {
    let groups = rule.routing_groups();
    // A rule without groups matches no user, whereas a filter without values would match all.
    if groups.is_empty() {
        return PerChannel::default();
    }
    let values = groups.iter().map(|group| Value::Entity(EntityRef::Guid(*group))).collect();
    let members = Filter::default().and(Clause::Any(Dimension::RoutingGroup, values));
    PerChannel::from_fn(|channel: Channel| view.count(&members, Available::on(channel)).people > 0)
}

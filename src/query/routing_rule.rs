//! Whether anybody can take a conversation for a routing rule now.

use uuid::Uuid;

use crate::domain::directory::Kind;
use crate::domain::filter::{Clause, Dimension, Value};
use crate::domain::{Channel, EntityRef, Filter, PerChannel};
use crate::live::View;
use crate::projection::Available;

/// A routing rule, now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// GUID.
    pub guid: Uuid,
    /// Name.
    pub name: String,
    /// Whether at least one user of its routing groups is available, by channel.
    pub available: PerChannel<bool>,
}

/// The rule with this GUID.
pub fn routing_rule(view: &View, guid: Uuid) -> Option<Rule> {
    let rule = view.directory().table(Kind::RoutingRule).get(EntityRef::Guid(guid))?;
    let groups = rule.routing_groups.as_deref().unwrap_or_default();
    let values: Vec<Value> = groups.iter().map(|group| Value::Entity(EntityRef::Guid(*group))).collect();
    // A rule without groups is for nobody, where a filter without values is for everybody.
    let available = if values.is_empty() {
        PerChannel::default()
    } else {
        let members = Filter::default().and(Clause::Any(Dimension::RoutingGroup, values));
        PerChannel::from_fn(|channel: Channel| view.count(&members, Available::on(channel)).people > 0)
    };
    Some(Rule { guid, name: rule.name.clone(), available })
}

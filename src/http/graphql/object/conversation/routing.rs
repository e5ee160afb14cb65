//! The routing events of a conversation.

use async_graphql::{Context, Object, Result};

use crate::domain::EntityRef;
use crate::domain::conversation::{HistoryEntry, HistoryEvent};
use crate::http::graphql::QueryContext;
use crate::http::graphql::object::routing::{RoutingGroup, RoutingRule};
use crate::http::graphql::scalar::DateTime;

/// A routing of a conversation to a rule, a group or both.
pub struct RoutingEvent {
    at: DateTime,
    rule: Option<EntityRef>,
    group: Option<EntityRef>,
}

impl RoutingEvent {
    /// Converts an entry of the history; `None` unless it is a routing.
    pub(super) fn of(entry: &HistoryEntry) -> Option<Self> {
        let HistoryEvent::Routed { rule, group } = entry.event else { return None };
        Some(RoutingEvent { at: DateTime(entry.time), rule, group })
    }
}

/// A conversation was routed to a routing rule, a routing group or both, to find a user for it. The event applies to
/// every contact that begins before the next routing event.
#[Object]
impl RoutingEvent {
    /// Time of the routing.
    async fn created_at(&self) -> DateTime {
        self.at
    }

    /// The rule. Null if the event names none, or the rule is not in the directory.
    async fn routing_rule(&self, ctx: &Context<'_>) -> Result<Option<RoutingRule>> {
        Ok(RoutingRule::find(&ctx.data::<QueryContext>()?.snapshot, self.rule))
    }

    /// The group. Null if the event names none, or the group is not in the directory.
    async fn routing_group(&self, ctx: &Context<'_>) -> Result<Option<RoutingGroup>> {
        Ok(RoutingGroup::find(&ctx.data::<QueryContext>()?.snapshot, self.group))
    }
}

//! Routing rules with their availability, and the routing events of a conversation.

use async_graphql::{Context, Object, Result, SimpleObject};

use crate::domain::conversation::{HistoryEntry, HistoryEvent};
use crate::domain::directory::Kind;
use crate::domain::{Channel, EntityRef, PerChannel};
use crate::engine::Snapshot;
use crate::http::graphql::QueryContext;
use crate::http::graphql::object::reference::RoutingGroup;
use crate::http::graphql::scalar::{DateTime, Guid};
use crate::query::reference::{Reference, reference};
use crate::query::routing_rule::available;

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
        Ok(group(&ctx.data::<QueryContext>()?.snapshot, self.group))
    }
}

/// Resolves a reference to a routing group; `None` if there is no reference or no such group in the directory.
pub(super) fn group(snapshot: &Snapshot, group: Option<EntityRef>) -> Option<RoutingGroup> {
    reference(&snapshot.view, Kind::RoutingGroup, group?).map(RoutingGroup)
}

/// A routing rule: routing groups that are tried together.
pub struct RoutingRule(Reference);

impl RoutingRule {
    /// Resolves a reference to a rule; `None` if there is no reference or no such rule in the directory.
    pub fn find(snapshot: &Snapshot, rule: Option<EntityRef>) -> Option<Self> {
        reference(&snapshot.view, Kind::RoutingRule, rule?).map(RoutingRule)
    }
}

/// A routing rule: routing groups that are tried together.
#[Object]
impl RoutingRule {
    /// The rule's GUID.
    async fn id(&self) -> Guid {
        Guid(self.0.guid())
    }

    /// The rule's name.
    async fn name(&self) -> &str {
        self.0.name()
    }

    /// The availability of the rule's users now, by channel. The vendor's asynchronous rules go by the length of a
    /// queue instead; such queues are not known here.
    ///
    /// While the state is too old to be relied on, this field is an error, and the response has the HTTP status 503:
    /// for a router a wrong answer would be worse than none.
    async fn availability(&self, ctx: &Context<'_>) -> Result<RoutingRuleAvailability> {
        let context = ctx.data::<QueryContext>()?;
        let view = &context.current()?.view;
        // Each group is combined once per channel, so long rules count against the limit on items.
        context.count(Channel::ALL.len() * self.0.routing_groups().len())?;
        Ok(RoutingRuleAvailability(available(view, &self.0)))
    }
}

/// The availability of the users in a rule's routing groups, by channel.
pub struct RoutingRuleAvailability(PerChannel<bool>);

/// The availability of the users in a rule's routing groups, by channel.
#[Object]
impl RoutingRuleAvailability {
    /// Availability for chat.
    async fn chat(&self) -> ChannelAvailability {
        self.on(Channel::Chat)
    }

    /// Availability for calls.
    async fn call(&self) -> ChannelAvailability {
        self.on(Channel::Call)
    }

    /// Availability for video calls.
    async fn video(&self) -> ChannelAvailability {
        self.on(Channel::Video)
    }

    /// Availability for third-party channels.
    async fn third_parties(&self) -> ChannelAvailability {
        self.on(Channel::ThirdParty)
    }
}

impl RoutingRuleAvailability {
    fn on(&self, channel: Channel) -> ChannelAvailability {
        ChannelAvailability { is_available: self.0[channel] }
    }
}

/// The availability of a rule's users on one channel.
#[derive(SimpleObject)]
pub struct ChannelAvailability {
    /// True if at least one user is available: connected, ready, switched on, and with a free slot.
    is_available: bool,
}

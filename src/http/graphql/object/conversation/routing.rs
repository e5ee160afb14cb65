//! Routing: rules, groups, and when a conversation was given to them.

use async_graphql::{Context, Object, Result, SimpleObject};

use crate::domain::conversation::{Moment, What};
use crate::domain::directory::Kind;
use crate::domain::{Channel, EntityRef, PerChannel};
use crate::engine::Snapshot;
use crate::http::graphql::Asked;
use crate::http::graphql::object::reference::RoutingGroup;
use crate::http::graphql::scalar::{DateTime, Guid};
use crate::query::reference::{Reference, reference};
use crate::query::routing_rule::available;

/// When a conversation was given to a rule, a group or both.
pub struct RoutingEvent {
    at: DateTime,
    rule: Option<EntityRef>,
    group: Option<EntityRef>,
}

impl RoutingEvent {
    pub(super) fn of(moment: &Moment) -> Option<Self> {
        let What::Routed { rule, group } = moment.what else { return None };
        Some(RoutingEvent { at: DateTime(moment.time), rule, group })
    }
}

/// A conversation was given to a routing rule, a routing group or both, to find somebody for it. It covers every contact
/// until the next.
#[Object]
impl RoutingEvent {
    /// When.
    async fn created_at(&self) -> DateTime {
        self.at
    }

    /// The rule. Null if none was told, or the directory does not know it.
    async fn routing_rule(&self, ctx: &Context<'_>) -> Result<Option<RoutingRule>> {
        Ok(RoutingRule::find(&ctx.data::<Asked>()?.snapshot, self.rule))
    }

    /// The group. Null if none was told, or the directory does not know it.
    async fn routing_group(&self, ctx: &Context<'_>) -> Result<Option<RoutingGroup>> {
        Ok(group(&ctx.data::<Asked>()?.snapshot, self.group))
    }
}

pub(super) fn group(snapshot: &Snapshot, group: Option<EntityRef>) -> Option<RoutingGroup> {
    reference(&snapshot.view, Kind::RoutingGroup, group?).map(RoutingGroup)
}

/// Routing groups that are tried together.
pub struct RoutingRule(Reference);

impl RoutingRule {
    /// The rule that a reference names, if the directory knows it.
    pub fn find(snapshot: &Snapshot, rule: Option<EntityRef>) -> Option<Self> {
        reference(&snapshot.view, Kind::RoutingRule, rule?).map(RoutingRule)
    }
}

/// Routing groups that are tried together.
#[Object]
impl RoutingRule {
    /// GUID.
    async fn id(&self) -> Guid {
        Guid(self.0.guid())
    }

    /// Name.
    async fn name(&self) -> &str {
        self.0.name()
    }

    /// Whether somebody can take a conversation now, channel by channel. A vendor's asynchronous rules go by the length
    /// of a queue instead; those are not known here.
    ///
    /// A wrong answer would be worse than none: while the state cannot be relied on, this is an error, and the request
    /// is answered with HTTP status 503.
    async fn availability(&self, ctx: &Context<'_>) -> Result<RoutingRuleAvailability> {
        let asked = ctx.data::<Asked>()?;
        let view = &asked.current()?.view;
        // Each of its groups is looked through for each channel.
        asked.count(Channel::ALL.len() * self.0.routing_groups().len())?;
        Ok(RoutingRuleAvailability(available(view, &self.0)))
    }
}

/// Whether somebody in a rule's routing groups can take a conversation, channel by channel.
pub struct RoutingRuleAvailability(PerChannel<bool>);

/// Whether somebody in a rule's routing groups can take a conversation, channel by channel.
#[Object]
impl RoutingRuleAvailability {
    /// Chat.
    async fn chat(&self) -> ChannelAvailability {
        self.on(Channel::Chat)
    }

    /// Call.
    async fn call(&self) -> ChannelAvailability {
        self.on(Channel::Call)
    }

    /// Video.
    async fn video(&self) -> ChannelAvailability {
        self.on(Channel::Video)
    }

    /// Third parties.
    async fn third_parties(&self) -> ChannelAvailability {
        self.on(Channel::ThirdParty)
    }
}

impl RoutingRuleAvailability {
    fn on(&self, channel: Channel) -> ChannelAvailability {
        ChannelAvailability { is_available: self.0[channel] }
    }
}

/// Whether somebody can take a conversation on one channel.
#[derive(SimpleObject)]
pub struct ChannelAvailability {
    /// At least one user is available: connected, ready, switched on, and with room for one more.
    is_available: bool,
}

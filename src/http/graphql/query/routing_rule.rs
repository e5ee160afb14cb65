//! The query `routingRule` (CONTRACTS.md 2.7): what routers and bots ask right before they escalate.

use async_graphql::{Context, Object, Result, SimpleObject};

use crate::domain::{Channel, PerChannel};
use crate::http::graphql::Asked;
use crate::http::graphql::scalar::Guid;
use crate::query::routing_rule::{Rule, routing_rule};

/// What routers ask.
#[derive(Default)]
pub struct RoutingRuleQuery;

/// What routers ask.
#[Object]
impl RoutingRuleQuery {
    /// A routing rule, and whether somebody can take a conversation for it now. Null when there is no such rule.
    ///
    /// A wrong answer would be worse than none: while the state cannot be relied on, this is an error, and the request
    /// is answered with HTTP status 503.
    async fn routing_rule(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The rule's GUID.")] id: Guid,
    ) -> Result<Option<RoutingRule>> {
        let view = &ctx.data::<Asked>()?.current()?.view;
        Ok(routing_rule(view, id.0).map(RoutingRule))
    }
}

/// Routing groups that are tried together.
pub struct RoutingRule(Rule);

/// Routing groups that are tried together.
#[Object]
impl RoutingRule {
    /// GUID.
    async fn id(&self) -> Guid {
        Guid(self.0.guid)
    }

    /// Name.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// Whether somebody can take a conversation now, channel by channel. A vendor's asynchronous rules go by the length
    /// of a queue instead; those are not known here.
    async fn availability(&self) -> RoutingRuleAvailability {
        RoutingRuleAvailability(self.0.available)
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

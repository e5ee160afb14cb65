//! Routing groups with their members, and routing rules with their availability
//! (docs/reference/iadvize-graphql.md, "Routing").

use async_graphql::{Context, Object, Result, SimpleObject};

use super::reference::place;
use super::user::User;
use crate::domain::directory::Kind;
use crate::domain::{Channel, EntityRef, PerChannel};
use crate::engine::Snapshot;
use crate::http::graphql::QueryContext;
use crate::http::graphql::paging::list_id::ListId;
use crate::http::graphql::paging::{Connection, ListOwner, Page, PageArguments};
use crate::http::graphql::scalar::{DateTime, Guid, Language, LegacyId};
use crate::projection::roster::Connection as Connected;
use crate::query::reference::{Reference, reference};
use crate::query::routing::{available, groups, member_count, member_ids, members};

/// A group of users to whom routing rules give conversations.
pub struct RoutingGroup {
    snapshot: Snapshot,
    entity: Reference,
}

impl RoutingGroup {
    /// Wraps a group of the snapshot's directory.
    pub fn new(snapshot: &Snapshot, entity: Reference) -> Self {
        RoutingGroup { snapshot: snapshot.clone(), entity }
    }

    /// Resolves a reference to a group; `None` if there is no reference or no such group in the directory.
    pub fn find(snapshot: &Snapshot, group: Option<EntityRef>) -> Option<Self> {
        Some(RoutingGroup::new(snapshot, reference(&snapshot.view, Kind::RoutingGroup, group?)?))
    }
}

/// A group of users to whom routing rules give conversations.
#[Object]
impl RoutingGroup {
    /// The group's GUID.
    async fn id(&self) -> Guid {
        Guid(self.entity.guid())
    }

    /// The group's name.
    async fn name(&self) -> &str {
        self.entity.name()
    }

    /// Time at which the directory first named it. Null if an older release took it, which did not record the time.
    async fn created_at(&self) -> Option<DateTime> {
        self.entity.created().map(DateTime)
    }

    /// Number of its users, without deleted ones.
    async fn user_count(&self) -> usize {
        member_count(&self.snapshot.view, &self.entity)
    }

    /// Ids of its users, ascending, without deleted ones.
    async fn user_ids(&self, ctx: &Context<'_>) -> Result<Vec<LegacyId>> {
        let view = &self.snapshot.view;
        // Counted first: the list can be longer than the answer may be.
        ctx.data::<QueryContext>()?.count(member_count(view, &self.entity))?;
        Ok(member_ids(view, &self.entity).map(|id| LegacyId(EntityRef::Id(id))).collect())
    }

    /// Its users, ascending by id, without deleted ones.
    async fn users(
        &self,
        #[graphql(desc = "Page size, from the start or after a cursor: 1 to 100, default 100.")] first: Option<i32>,
        #[graphql(desc = "The cursor after which the page starts.")] after: Option<String>,
        #[graphql(desc = "Page size, up to the end or before a cursor: 1 to 100, default 100.")] last: Option<i32>,
        #[graphql(desc = "The cursor before which the page ends.")] before: Option<String>,
    ) -> Result<Connection<User>> {
        let list = ListId::whole(self.entity.guid(), "users");
        let page = Page::read(PageArguments { first, after, last, before }, list)?;
        Ok(User::page(&self.snapshot, &page, &members(&self.entity), Connected::Any))
    }
}

/// Marks the list of a rule's groups, whose type the vendor names after the rule.
pub struct OfRoutingRule;

impl ListOwner for OfRoutingRule {
    const PREFIX: &'static str = "RoutingRule";
}

/// A routing rule: routing groups that are tried together.
pub struct RoutingRule {
    snapshot: Snapshot,
    entity: Reference,
}

impl RoutingRule {
    /// Wraps a rule of the snapshot's directory.
    pub fn new(snapshot: &Snapshot, entity: Reference) -> Self {
        RoutingRule { snapshot: snapshot.clone(), entity }
    }

    /// Resolves a reference to a rule; `None` if there is no reference or no such rule in the directory.
    pub fn find(snapshot: &Snapshot, rule: Option<EntityRef>) -> Option<Self> {
        Some(RoutingRule::new(snapshot, reference(&snapshot.view, Kind::RoutingRule, rule?)?))
    }

    fn groups_in_order(&self) -> impl Iterator<Item = Reference> {
        groups(&self.snapshot.view, &self.entity).into_iter()
    }
}

/// A routing rule: routing groups that are tried together.
#[Object]
impl RoutingRule {
    /// The rule's GUID.
    async fn id(&self) -> Guid {
        Guid(self.entity.guid())
    }

    /// The rule's name.
    async fn name(&self) -> &str {
        self.entity.name()
    }

    /// Time at which the directory first named it. Null if an older release took it, which did not record the time.
    async fn created_at(&self) -> Option<DateTime> {
        self.entity.created().map(DateTime)
    }

    /// Its routing groups, ascending by integer id.
    async fn routing_groups(
        &self,
        #[graphql(desc = "Page size, from the start or after a cursor: 1 to 100, default 100.")] first: Option<i32>,
        #[graphql(desc = "The cursor after which the page starts.")] after: Option<String>,
        #[graphql(desc = "Page size, up to the end or before a cursor: 1 to 100, default 100.")] last: Option<i32>,
        #[graphql(desc = "The cursor before which the page ends.")] before: Option<String>,
    ) -> Result<Connection<RoutingGroup, OfRoutingRule>> {
        let list = ListId::whole(self.entity.guid(), "routingGroups");
        let page = Page::read(PageArguments { first, after, last, before }, list)?;
        let groups = self.groups_in_order().map(|group| (place(&group), RoutingGroup::new(&self.snapshot, group)));
        Ok(page.connection(page.select(groups)))
    }

    /// Its routing groups, ascending by integer id.
    #[graphql(deprecation = "Deprecated by the vendor; use routingGroups.")]
    async fn groups(&self, ctx: &Context<'_>) -> Result<Vec<RoutingGroup>> {
        ctx.data::<QueryContext>()?.count(self.entity.routing_groups().len())?;
        Ok(self.groups_in_order().map(|group| RoutingGroup::new(&self.snapshot, group)).collect())
    }

    /// Conversations that may wait in the rule's queue while no user is available. Always 0: rules have no queue here,
    /// and are available exactly if a user is.
    async fn total_conversation_queue_slots(&self) -> u32 {
        0
    }

    /// The availability of the rule's users now, by channel. The vendor's asynchronous rules go by the length of a
    /// queue instead; such queues are not known here. Null only together with an error of this field.
    ///
    /// While the state is too old to be relied on, this field is an error, and the response has the HTTP status 503:
    /// for a router a wrong answer would be worse than none.
    async fn availability(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only users who speak this language, and users of whom no language is known.")] lang: Option<
            Language,
        >,
    ) -> Result<Option<RoutingRuleAvailability>> {
        let context = ctx.data::<QueryContext>()?;
        let view = &context.current()?.view;
        // Each group is combined once per channel, so long rules count against the limit on items.
        context.count(Channel::ALL.len() * self.entity.routing_groups().len())?;
        Ok(Some(RoutingRuleAvailability(available(
            view,
            &self.entity,
            lang.as_ref().map(|Language(code)| code.as_str()),
        ))))
    }
}

/// The availability of the users in a rule's routing groups, by channel.
pub struct RoutingRuleAvailability(PerChannel<bool>);

/// The availability of the users in a rule's routing groups, by channel.
#[Object]
impl RoutingRuleAvailability {
    /// Availability for chat.
    async fn chat(&self) -> RoutingRuleChannelAvailability {
        self.on(Channel::Chat)
    }

    /// Availability for calls.
    async fn call(&self) -> RoutingRuleChannelAvailability {
        self.on(Channel::Call)
    }

    /// Availability for video calls.
    async fn video(&self) -> RoutingRuleChannelAvailability {
        self.on(Channel::Video)
    }

    /// Availability for third-party channels.
    async fn third_parties(&self) -> RoutingRuleChannelAvailability {
        self.on(Channel::ThirdParty)
    }
}

impl RoutingRuleAvailability {
    fn on(&self, channel: Channel) -> RoutingRuleChannelAvailability {
        RoutingRuleChannelAvailability { is_available: self.0[channel] }
    }
}

/// The availability of a rule's users on one channel.
#[derive(SimpleObject)]
pub struct RoutingRuleChannelAvailability {
    /// True if at least one user is available: connected, ready, switched on, and with a free slot.
    is_available: bool,
}

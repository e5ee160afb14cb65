//! The query `connectedUsersIndicator` (docs/reference/iadvize-graphql.md, "connectedUsersIndicator").

use async_graphql::{Context, InputObject, Object, Result};

use super::filters::{by_guid, entity, values};
use crate::domain::filter::{Clause, Dimension};
use crate::domain::{Filter, Role, Status};
use crate::http::graphql::QueryContext;
use crate::http::graphql::fault::invalid_argument;
use crate::http::graphql::object::indicators::ConnectedUsersIndicator;
use crate::http::graphql::scalar::{AvailabilityStatus, Guid, LegacyId, UserRole};
use crate::query::connected_users::connected_users;

/// The root field `connectedUsersIndicator`.
#[derive(Default)]
pub struct ConnectedUsersQuery;

/// The filters of `connectedUsersIndicator` in one object. A user must match all filters that are given, and matches a
/// filter by any of its values. A filter that is null or empty restricts nothing; an unknown id matches no user.
#[derive(Debug, Default, InputObject)]
pub struct ConnectedUsersFilters {
    /// Only users with this availability over all channels: AVAILABLE if any enabled channel is available, else BUSY if
    /// any is busy, else TOGGLE_OFF.
    availability_status: Option<Vec<AvailabilityStatus>>,
    /// Only users with this availability for chat.
    chat_availability: Option<Vec<AvailabilityStatus>>,
    /// Only members of at least one of these groups.
    group_ids: Option<Vec<LegacyId>>,
    /// Only users of at least one of these projects.
    project_ids: Option<Vec<LegacyId>>,
    /// Only users with at least one of these roles.
    roles: Option<Vec<UserRole>>,
    /// Only members of at least one of these routing groups.
    routing_group_ids: Option<Vec<Guid>>,
    /// Only these users.
    user_ids: Option<Vec<LegacyId>>,
    /// Only users with at least one of these skills.
    skill_ids: Option<Vec<LegacyId>>,
    /// Only users assigned to at least one of these queues.
    queue_ids: Option<Vec<LegacyId>>,
    /// Only users assigned to at least one of these campaigns.
    campaign_ids: Option<Vec<LegacyId>>,
}

impl ConnectedUsersFilters {
    fn is_given(&self) -> bool {
        self.availability_status.is_some()
            || self.chat_availability.is_some()
            || self.group_ids.is_some()
            || self.project_ids.is_some()
            || self.roles.is_some()
            || self.routing_group_ids.is_some()
            || self.user_ids.is_some()
            || self.skill_ids.is_some()
            || self.queue_ids.is_some()
            || self.campaign_ids.is_some()
    }

    fn into_filter(self) -> Result<Filter> {
        let statuses = |list, name| values(list, name, Status::from);
        Ok(Filter::default()
            .and(Clause::Overall(statuses(self.availability_status, "availabilityStatus")?))
            .and(Clause::Chat(statuses(self.chat_availability, "chatAvailability")?))
            .and(Clause::Any(Dimension::Group, values(self.group_ids, "groupIds", entity)?))
            .and(Clause::Any(Dimension::Project, values(self.project_ids, "projectIds", entity)?))
            .and(Clause::Roles(values(self.roles, "roles", Role::from)?))
            .and(Clause::Any(Dimension::RoutingGroup, values(self.routing_group_ids, "routingGroupIds", by_guid)?))
            .and(Clause::Users(values(self.user_ids, "userIds", |LegacyId(reference)| reference)?))
            .and(Clause::Any(Dimension::Skill, values(self.skill_ids, "skillIds", entity)?))
            .and(Clause::Any(Dimension::Queue, values(self.queue_ids, "queueIds", entity)?))
            .and(Clause::Any(Dimension::Campaign, values(self.campaign_ids, "campaignIds", entity)?)))
    }
}

#[Object]
impl ConnectedUsersQuery {
    /// Indicators about the users who are connected now and match all filters that are given. A user matches a filter by
    /// any of its values. The filters are given either as separate arguments or together in `filters`, not both.
    #[expect(clippy::too_many_arguments, reason = "the vendor's arguments are flat")]
    async fn connected_users_indicator(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only users with this availability over all channels.")] availability_status: Option<
            Vec<AvailabilityStatus>,
        >,
        #[graphql(desc = "Only users with this availability for chat.")] chat_availability: Option<
            Vec<AvailabilityStatus>,
        >,
        #[graphql(desc = "Only members of at least one of these groups.")] group_ids: Option<Vec<LegacyId>>,
        #[graphql(desc = "Only users of at least one of these projects.")] project_ids: Option<Vec<LegacyId>>,
        #[graphql(desc = "Only users with at least one of these roles.")] roles: Option<Vec<UserRole>>,
        #[graphql(desc = "Only members of at least one of these routing groups.")] routing_group_ids: Option<Vec<Guid>>,
        #[graphql(desc = "Only these users.")] user_ids: Option<Vec<LegacyId>>,
        #[graphql(desc = "Only users with at least one of these skills.")] skill_ids: Option<Vec<LegacyId>>,
        #[graphql(desc = "Only users assigned to at least one of these queues.")] queue_ids: Option<Vec<LegacyId>>,
        #[graphql(desc = "Only users assigned to at least one of these campaigns.")] campaign_ids: Option<
            Vec<LegacyId>,
        >,
        #[graphql(desc = "The same filters in one object.")] filters: Option<ConnectedUsersFilters>,
    ) -> Result<ConnectedUsersIndicator> {
        let flat = ConnectedUsersFilters {
            availability_status,
            chat_availability,
            group_ids,
            project_ids,
            roles,
            routing_group_ids,
            user_ids,
            skill_ids,
            queue_ids,
            campaign_ids,
        };
        let chosen = match filters {
            Some(_) if flat.is_given() => {
                return Err(invalid_argument("give the filters either as separate arguments or in filters, not both"));
            }
            Some(filters) => filters,
            None => flat,
        };
        let filter = chosen.into_filter()?;
        let context = ctx.data::<QueryContext>()?;
        let (headcount, occupancy) = connected_users(&context.snapshot.view, &filter);
        Ok(ConnectedUsersIndicator { headcount, occupancy })
    }
}

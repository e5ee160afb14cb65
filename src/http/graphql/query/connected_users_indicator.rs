//! The query `connectedUsersIndicator` (docs/reference/iadvize-graphql.md, "connectedUsersIndicator").

use async_graphql::{Context, InputObject, Object, Result};

use super::user_filter::{CommonFilter, any};
use crate::domain::Filter;
use crate::domain::filter::Dimension;
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
    #[graphql(flatten)]
    common: CommonFilter,
    /// Only users with at least one of these skills.
    skill_ids: Option<Vec<LegacyId>>,
    /// Only users assigned to at least one of these queues.
    queue_ids: Option<Vec<LegacyId>>,
    /// Only users assigned to at least one of these campaigns.
    campaign_ids: Option<Vec<LegacyId>>,
}

impl ConnectedUsersFilters {
    const fn is_given(&self) -> bool {
        self.common.is_given() || self.skill_ids.is_some() || self.queue_ids.is_some() || self.campaign_ids.is_some()
    }

    fn into_filter(self) -> Result<Filter> {
        let mut clauses = self.common.into_clauses()?;
        clauses.extend([
            any(self.skill_ids, "skillIds", Dimension::Skill)?,
            any(self.queue_ids, "queueIds", Dimension::Queue)?,
            any(self.campaign_ids, "campaignIds", Dimension::Campaign)?,
        ]);
        Ok(clauses.into_iter().fold(Filter::default(), |filter, named| filter.and(named.clause)))
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
        let common = CommonFilter {
            availability_status,
            chat_availability,
            group_ids,
            project_ids,
            roles,
            routing_group_ids,
            user_ids,
        };
        let flat = ConnectedUsersFilters { common, skill_ids, queue_ids, campaign_ids };
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

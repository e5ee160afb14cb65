//! The filter of users in one object, as breakdowns take it.

use async_graphql::{InputObject, Result};

use super::filters::{by_guid, entity, values};
use crate::domain::filter::{Clause, Dimension};
use crate::domain::{Role, Status};
use crate::http::graphql::scalar::{AvailabilityStatus, Guid, LegacyId, UserRole};
use crate::query::breakdown::NamedClause;

/// The filters that [`UserFilter`] has in common with that of `connectedUsersIndicator`.
#[derive(Debug, Default, InputObject)]
pub struct CommonFilter {
    /// Only users with this availability over all channels: AVAILABLE if any enabled channel is available, else BUSY if
    /// any is busy, else TOGGLE_OFF.
    pub availability_status: Option<Vec<AvailabilityStatus>>,
    /// Only users with this availability for chat.
    pub chat_availability: Option<Vec<AvailabilityStatus>>,
    /// Only members of at least one of these groups.
    pub group_ids: Option<Vec<LegacyId>>,
    /// Only users of at least one of these projects.
    pub project_ids: Option<Vec<LegacyId>>,
    /// Only users with at least one of these roles.
    pub roles: Option<Vec<UserRole>>,
    /// Only members of at least one of these routing groups.
    pub routing_group_ids: Option<Vec<Guid>>,
    /// Only these users.
    pub user_ids: Option<Vec<LegacyId>>,
}

impl CommonFilter {
    /// Returns true if any filter is given.
    pub const fn is_given(&self) -> bool {
        self.availability_status.is_some()
            || self.chat_availability.is_some()
            || self.group_ids.is_some()
            || self.project_ids.is_some()
            || self.roles.is_some()
            || self.routing_group_ids.is_some()
            || self.user_ids.is_some()
    }

    /// Returns the clause of each filter; `INVALID_ARGUMENT` for one with too many values.
    pub fn into_clauses(self) -> Result<Vec<NamedClause>> {
        let statuses = |list, name| values(list, name, Status::from);
        let routing_groups = |list| values(list, "routingGroupIds", by_guid);
        Ok(vec![
            named("availabilityStatus", Clause::Overall(statuses(self.availability_status, "availabilityStatus")?)),
            named("chatAvailability", Clause::Chat(statuses(self.chat_availability, "chatAvailability")?)),
            any(self.group_ids, "groupIds", Dimension::Group)?,
            any(self.project_ids, "projectIds", Dimension::Project)?,
            named("roles", Clause::Roles(values(self.roles, "roles", Role::from)?)),
            named("routingGroupIds", Clause::Any(Dimension::RoutingGroup, routing_groups(self.routing_group_ids)?)),
            named("userIds", Clause::Users(values(self.user_ids, "userIds", |LegacyId(reference)| reference)?)),
        ])
    }
}

/// Selects users, connected or not. A user must match all filters that are given, and matches a filter by any of its
/// values. A filter that is null or empty restricts nothing; an unknown id is an error.
#[derive(Debug, Default, InputObject)]
pub struct UserFilter {
    #[graphql(flatten)]
    common: CommonFilter,
    /// Only users with these skills.
    skills: Option<SkillFilter>,
    /// Only users assigned to at least one of these queues.
    queue_ids: Option<Vec<LegacyId>>,
    /// Only users assigned to at least one of these campaigns.
    campaign_ids: Option<Vec<LegacyId>>,
}

/// Selects users by their skills. With both members a user must match both.
#[derive(Debug, Default, InputObject)]
pub struct SkillFilter {
    /// Only users with at least one of these skills.
    any: Option<Vec<LegacyId>>,
    /// Only users with every one of these skills.
    all: Option<Vec<LegacyId>>,
}

impl UserFilter {
    /// Returns the clauses of the filter; `INVALID_ARGUMENT` for a member with too many values.
    pub fn into_clauses(self) -> Result<Vec<NamedClause>> {
        let skills = self.skills.unwrap_or_default();
        let mut clauses = self.common.into_clauses()?;
        let all = values(skills.all, "skills.all", entity)?;
        clauses.extend([
            any(skills.any, "skills.any", Dimension::Skill)?,
            named("skills.all", Clause::All(Dimension::Skill, all)),
            any(self.queue_ids, "queueIds", Dimension::Queue)?,
            any(self.campaign_ids, "campaignIds", Dimension::Campaign)?,
        ]);
        Ok(clauses)
    }
}

/// Returns the clause of a list of ids, of which users must have any.
pub fn any(list: Option<Vec<LegacyId>>, argument: &'static str, dimension: Dimension) -> Result<NamedClause> {
    Ok(named(argument, Clause::Any(dimension, values(list, argument, entity)?)))
}

const fn named(argument: &'static str, clause: Clause) -> NamedClause {
    NamedClause { argument, clause }
}

//! The filter of users in one object, as breakdowns take it.

use async_graphql::{InputObject, Result};

use super::filters::{by_guid, entity, values};
use crate::domain::filter::{Clause, Dimension, Value};
use crate::domain::{Role, Status};
use crate::http::graphql::scalar::{AvailabilityStatus, Guid, LegacyId, UserRole};
use crate::query::breakdown::NamedClause;

/// Selects users, connected or not. A user must match all filters that are given, and matches a filter by any of its
/// values. A filter that is null or empty restricts nothing; an unknown id is an error.
#[derive(Debug, Default, InputObject)]
pub struct UserFilter {
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
        let statuses = |list, name| values(list, name, Status::from);
        let of = |list, name, dimension| -> Result<Clause> { Ok(Clause::Any(dimension, entities(list, name)?)) };
        let skills = self.skills.unwrap_or_default();
        let routing_groups = values(self.routing_group_ids, "routingGroupIds", by_guid)?;
        let clauses = [
            ("availabilityStatus", Clause::Overall(statuses(self.availability_status, "availabilityStatus")?)),
            ("chatAvailability", Clause::Chat(statuses(self.chat_availability, "chatAvailability")?)),
            ("groupIds", of(self.group_ids, "groupIds", Dimension::Group)?),
            ("projectIds", of(self.project_ids, "projectIds", Dimension::Project)?),
            ("roles", Clause::Roles(values(self.roles, "roles", Role::from)?)),
            ("routingGroupIds", Clause::Any(Dimension::RoutingGroup, routing_groups)),
            ("userIds", Clause::Users(values(self.user_ids, "userIds", |LegacyId(reference)| reference)?)),
            ("skills.any", of(skills.any, "skills.any", Dimension::Skill)?),
            ("skills.all", Clause::All(Dimension::Skill, entities(skills.all, "skills.all")?)),
            ("queueIds", of(self.queue_ids, "queueIds", Dimension::Queue)?),
            ("campaignIds", of(self.campaign_ids, "campaignIds", Dimension::Campaign)?),
        ];
        Ok(clauses.map(|(argument, clause)| NamedClause { argument, clause }).into())
    }
}

fn entities(list: Option<Vec<LegacyId>>, name: &str) -> Result<Vec<Value>> {
    values(list, name, entity)
}

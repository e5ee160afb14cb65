//! A conversation with the resolved references that lists filter by.

use std::sync::Arc;

use uuid::Uuid;

use super::directory::Directory;
use crate::domain::conversation::{Criteria, HistoryEvent};
use crate::domain::directory::Kind;
use crate::domain::{Conversation, EntityRef};

/// A conversation with its project and routing groups resolved.
#[derive(Clone, Debug)]
pub struct Listed {
    /// The conversation with its history.
    pub conversation: Arc<Conversation>,
    /// Its project by integer id; `None` if it has none or the directory does not contain it.
    pub project: Option<i64>,
    /// The routing groups it was routed to, as far as the directory contains them; ascending, without duplicates.
    pub routing_groups: Vec<Uuid>,
}

impl Listed {
    /// Resolves a conversation's references in `directory`.
    pub fn of(conversation: &Arc<Conversation>, directory: &Directory) -> Self {
        let named = |kind: Kind, reference: EntityRef| directory.table(kind).get(reference);
        let project = conversation.summary().and_then(|summary| summary.project);
        let routed = conversation.history().iter().filter_map(|entry| match entry.event {
            HistoryEvent::Routed { group, .. } => group,
            _ => None,
        });
        let mut routing_groups: Vec<_> =
            routed.filter_map(|group| Some(named(Kind::RoutingGroup, group)?.guid)).collect();
        routing_groups.sort_unstable();
        routing_groups.dedup();
        Listed {
            conversation: conversation.clone(),
            project: project.and_then(|project| Some(named(Kind::Project, project)?.id)),
            routing_groups,
        }
    }

    /// Returns true if the conversation meets all criteria. One that was neither started nor pushed meets none.
    pub fn meets(&self, criteria: &Criteria) -> bool {
        let Some(summary) = self.conversation.summary() else { return false };
        let closing = summary.closing.as_ref();
        let reason = || closing.and_then(|closing| closing.reason.as_deref());
        criteria.id.is_none_or(|id| id == self.conversation.id())
            && criteria.closed.is_none_or(|(from, to)| closing.is_some_and(|c| from <= c.time && c.time <= to))
            && any(criteria.projects.as_ref(), |projects| self.project.is_some_and(|id| projects.contains(&id)))
            && any(criteria.media.as_ref(), |media| media.contains(&summary.medium))
            && any(criteria.reasons.as_ref(), |reasons| {
                reason().is_some_and(|r| reasons.iter().any(|known| known == r))
            })
            && any(criteria.routing_groups.as_ref(), |groups| self.routing_groups.iter().any(|g| groups.contains(g)))
            && criteria.took_part(&self.conversation)
    }
}

fn any<T>(list: Option<&T>, holds: impl FnOnce(&T) -> bool) -> bool {
    list.is_none_or(holds)
}

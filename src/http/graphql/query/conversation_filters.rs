//! Filters and pages that both lists of conversations share.

use async_graphql::Result;

use super::filters::values;
use crate::domain::conversation::{Key, Span};
use crate::http::graphql::object::conversation::{Channel, Conversation};
use crate::http::graphql::paging::{Connection, Cursor, Page};
use crate::http::graphql::scalar::{Guid, LegacyId};
use crate::query::conversations::{ConversationFilter, Part};

/// The filter arguments of both lists, flat as in the vendor's schema.
pub struct FilterArguments {
    pub project_ids: Option<Vec<LegacyId>>,
    pub channels: Option<Vec<Channel>>,
    pub group_ids: Option<Vec<LegacyId>>,
    pub user_ids: Option<Vec<LegacyId>>,
    pub routing_group_ids: Option<Vec<Guid>>,
}

impl FilterArguments {
    /// Converts the arguments; `INVALID_ARGUMENT` for too many values in one.
    pub fn read(self) -> Result<ConversationFilter> {
        let entity = |LegacyId(reference)| reference;
        Ok(ConversationFilter {
            projects: values(self.project_ids, "projectIds", entity)?,
            media: values(self.channels, "channels", Into::into)?,
            groups: values(self.group_ids, "groupIds", entity)?,
            users: values(self.user_ids, "userIds", entity)?,
            routing_groups: values(self.routing_group_ids, "routingGroupIds", |Guid(guid)| guid)?,
            ..ConversationFilter::default()
        })
    }
}

/// Converts a page into the span of a list.
pub fn span(page: &Page<i64>) -> Span {
    let key = |Cursor { key, guid }: Cursor<i64>| Key { millis: key, id: guid };
    Span { forward: page.forward, after: page.after.map(key), before: page.before.map(key), limit: page.limit }
}

/// Builds the requested page from a part of a list.
pub fn connection(page: &Page<i64>, part: Part) -> Connection<Conversation> {
    let nodes = part.conversations.into_iter().filter_map(Conversation::of);
    page.connection_of(nodes.map(|node| (node.place(), node)).collect(), part.has_more)
}

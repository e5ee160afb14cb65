//! What both lists of conversations take and answer.

use async_graphql::Result;

use super::filters::values;
use crate::domain::conversation::{Key, Span};
use crate::http::graphql::object::conversation::{Channel, Conversation};
use crate::http::graphql::paging::{Connection, Cursor, Page};
use crate::http::graphql::scalar::{Guid, LegacyId};
use crate::query::conversations::{AskedFor, Part};

/// The filters of both lists, as the vendor has them.
pub struct Flat {
    pub project_ids: Option<Vec<LegacyId>>,
    pub channels: Option<Vec<Channel>>,
    pub group_ids: Option<Vec<LegacyId>>,
    pub user_ids: Option<Vec<LegacyId>>,
    pub routing_group_ids: Option<Vec<Guid>>,
}

impl Flat {
    /// What is asked for; `INVALID_ARGUMENT` for too many values.
    pub fn read(self) -> Result<AskedFor> {
        let entity = |LegacyId(reference)| reference;
        Ok(AskedFor {
            projects: values(self.project_ids, "projectIds", entity)?,
            media: values(self.channels, "channels", Into::into)?,
            groups: values(self.group_ids, "groupIds", entity)?,
            users: values(self.user_ids, "userIds", entity)?,
            routing_groups: values(self.routing_group_ids, "routingGroupIds", |Guid(guid)| guid)?,
            ..AskedFor::default()
        })
    }
}

/// The part of a list that a page is.
pub fn span(page: &Page<i64>) -> Span {
    let key = |Cursor { key, guid }: Cursor<i64>| Key { millis: key, id: guid };
    Span { forward: page.forward, after: page.after.map(key), before: page.before.map(key), limit: page.limit }
}

/// A part of a list as the page that was asked for.
pub fn connection(page: &Page<i64>, part: Part) -> Connection<Conversation> {
    let nodes = part.conversations.into_iter().filter_map(Conversation::of);
    page.connection_of(nodes.map(|node| (node.place(), node)).collect(), part.has_more)
}

//! The query `conversations`: those that are open.

use async_graphql::{Context, Object, Result};

use super::conversation_filters::{Flat, connection, span};
use crate::http::graphql::Asked;
use crate::http::graphql::fault::of_field;
use crate::http::graphql::object::conversation::{Channel, Conversation};
use crate::http::graphql::paging::{Connection, Page, PageArguments};
use crate::http::graphql::scalar::{Guid, LegacyId};
use crate::query::conversations::open_conversations;

/// Open conversations.
#[derive(Default)]
pub struct ConversationsQuery;

/// Open conversations.
#[Object]
impl ConversationsQuery {
    /// Conversations that are open now, in the order in which they began: any of the values inside one filter, all of
    /// those given. Null and empty restrict nothing; a well-formed id that is unknown matches nothing.
    #[expect(clippy::too_many_arguments, reason = "the filters are flat, as the vendor's are")]
    async fn conversations(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "By project.")] project_ids: Option<Vec<LegacyId>>,
        #[graphql(desc = "By channel.")] channels: Option<Vec<Channel>>,
        #[graphql(desc = "By group: somebody who is now in it took part.")] group_ids: Option<Vec<LegacyId>>,
        #[graphql(desc = "By user: those they were given to.")] user_ids: Option<Vec<LegacyId>>,
        #[graphql(desc = "By routing group: those it was to find somebody for.")] routing_group_ids: Option<Vec<Guid>>,
        #[graphql(desc = "How many, from the start or after a cursor: 1 to 100, and 100 unless given.")] first: Option<
            i32,
        >,
        #[graphql(desc = "The cursor to go on after.")] after: Option<String>,
        #[graphql(desc = "How many, up to the end or before a cursor: 1 to 100, and 100 unless given.")] last: Option<
            i32,
        >,
        #[graphql(desc = "The cursor to stop before.")] before: Option<String>,
    ) -> Result<Connection<Conversation>> {
        let page = Page::read(PageArguments { first, after, last, before })?;
        let asked_for = Flat { project_ids, channels, group_ids, user_ids, routing_group_ids }.read()?;
        let view = &ctx.data::<Asked>()?.snapshot.view;
        let part = open_conversations(view, asked_for, &span(&page)).map_err(|fault| of_field(&fault))?;
        Ok(connection(&page, part))
    }
}

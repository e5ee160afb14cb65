//! The query `conversations`: the open ones.

use async_graphql::{Context, Object, Result};

use super::conversation_filters::{FilterArguments, connection, span};
use crate::http::graphql::QueryContext;
use crate::http::graphql::fault::of_field;
use crate::http::graphql::object::conversation::{Channel, Conversation};
use crate::http::graphql::paging::{Connection, Page, PageArguments};
use crate::http::graphql::scalar::{Guid, LegacyId};
use crate::query::conversations::open_conversations;

/// The root field `conversations`.
#[derive(Default)]
pub struct ConversationsQuery;

#[Object]
impl ConversationsQuery {
    /// Conversations that are open now, ascending by the time at which they began. A conversation must match all
    /// filters that are given; it matches a filter if it matches any of its values. A filter that is null or empty
    /// restricts nothing; an unknown id matches nothing.
    ///
    /// A page that would grow too large ends early, with fewer items than requested: only `pageInfo` shows if there are
    /// more.
    #[expect(clippy::too_many_arguments, reason = "the filters are flat, as the vendor's are")]
    async fn conversations(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only conversations of these projects.")] project_ids: Option<Vec<LegacyId>>,
        #[graphql(desc = "Only conversations on these channels.")] channels: Option<Vec<Channel>>,
        #[graphql(desc = "Only conversations pushed to a current member of these groups.")] group_ids: Option<
            Vec<LegacyId>,
        >,
        #[graphql(desc = "Only conversations pushed to these users.")] user_ids: Option<Vec<LegacyId>>,
        #[graphql(desc = "Only conversations routed to these routing groups.")] routing_group_ids: Option<Vec<Guid>>,
        #[graphql(desc = "Page size, from the start or after a cursor: 1 to 100, default 100.")] first: Option<i32>,
        #[graphql(desc = "The cursor after which the page starts.")] after: Option<String>,
        #[graphql(desc = "Page size, up to the end or before a cursor: 1 to 100, default 100.")] last: Option<i32>,
        #[graphql(desc = "The cursor before which the page ends.")] before: Option<String>,
    ) -> Result<Connection<Conversation>> {
        let page = Page::of(ctx, PageArguments { first, after, last, before })?;
        let filter = FilterArguments { project_ids, channels, group_ids, user_ids, routing_group_ids }.read()?;
        let view = &ctx.data::<QueryContext>()?.snapshot.view;
        let part = open_conversations(view, filter, &span(&page)).map_err(|fault| of_field(&fault))?;
        Ok(connection(&page, part))
    }
}

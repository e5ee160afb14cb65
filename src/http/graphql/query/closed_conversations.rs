//! The query `closedConversations` (docs/reference/iadvize-graphql.md, "closedConversations").

use async_graphql::{Context, InputObject, Object, Result};

use super::conversation_filters::{FilterArguments, connection, span};
use super::filters::values;
use crate::http::graphql::QueryContext;
use crate::http::graphql::fault::of_field;
use crate::http::graphql::object::conversation::{Channel, CloseReason, Conversation};
use crate::http::graphql::paging::{Connection, Page, PageArguments};
use crate::http::graphql::scalar::{DateTime, Guid, LegacyId};

/// The root field `closedConversations`.
#[derive(Default)]
pub struct ClosedConversationsQuery;

/// A period of time; both ends are included.
#[derive(Clone, Copy, Debug, InputObject)]
pub struct DateTimeInterval {
    /// Start of the period.
    from: DateTime,
    /// End of the period.
    to: DateTime,
}

#[Object]
impl ClosedConversationsQuery {
    /// Conversations that were closed within a period, ascending by the time of the close. A conversation must match
    /// all filters that are given; it matches a filter if it matches any of its values. A filter that is null or empty
    /// restricts nothing; an unknown id matches nothing.
    ///
    /// A page that would grow too large ends early, with fewer items than requested: only `pageInfo` shows if there are
    /// more.
    #[expect(clippy::too_many_arguments, reason = "the filters are flat, as the vendor's are")]
    async fn closed_conversations(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Period of the close; at most 3 months (92 days).")] interval: DateTimeInterval,
        #[graphql(desc = "Only conversations of these projects.")] project_ids: Option<Vec<LegacyId>>,
        #[graphql(desc = "Only conversations on these channels.")] channels: Option<Vec<Channel>>,
        #[graphql(desc = "Only conversations pushed to a current member of these groups.")] group_ids: Option<
            Vec<LegacyId>,
        >,
        #[graphql(desc = "Only conversations pushed to these users.")] user_ids: Option<Vec<LegacyId>>,
        #[graphql(desc = "Only conversations routed to these routing groups.")] routing_group_ids: Option<Vec<Guid>>,
        #[graphql(desc = "Only conversations closed for these reasons.")] close_reason: Option<Vec<CloseReason>>,
        #[graphql(desc = "Only the conversation of this id.")] conversation_id: Option<Guid>,
        #[graphql(desc = "Page size, from the start or after a cursor: 1 to 100, default 100.")] first: Option<i32>,
        #[graphql(desc = "The cursor after which the page starts.")] after: Option<String>,
        #[graphql(desc = "Page size, up to the end or before a cursor: 1 to 100, default 100.")] last: Option<i32>,
        #[graphql(desc = "The cursor before which the page ends.")] before: Option<String>,
    ) -> Result<Connection<Conversation>> {
        let page = Page::of(ctx, PageArguments { first, after, last, before })?;
        let mut filter = FilterArguments { project_ids, channels, group_ids, user_ids, routing_group_ids }.read()?;
        filter.closed = Some((interval.from.0, interval.to.0));
        filter.reasons = values(close_reason, "closeReason", |reason| reason.name().to_owned())?;
        filter.id = conversation_id.map(|Guid(guid)| guid);
        let context = ctx.data::<QueryContext>()?;
        let archive = context.archive.as_of(&context.snapshot);
        let part = archive.closed(filter, &span(&page)).await.map_err(|fault| of_field(&fault))?;
        Ok(connection(&page, part))
    }
}

//! The query `closedConversations` (CONTRACTS.md 2.10).

use async_graphql::{Context, InputObject, Object, Result};

use super::conversation_filters::{Flat, connection, span};
use super::filters::values;
use crate::http::graphql::Asked;
use crate::http::graphql::fault::of_field;
use crate::http::graphql::object::conversation::{Channel, CloseReason, Conversation};
use crate::http::graphql::paging::{Connection, Page, PageArguments};
use crate::http::graphql::scalar::{DateTime, Guid, LegacyId};

/// Closed conversations.
#[derive(Default)]
pub struct ClosedConversationsQuery;

/// A period of time.
#[derive(Clone, Copy, Debug, InputObject)]
pub struct DateTimeInterval {
    /// Its beginning, included.
    from: DateTime,
    /// Its end, included.
    to: DateTime,
}

/// Closed conversations.
#[Object]
impl ClosedConversationsQuery {
    /// Conversations that were closed within a period, in the order in which they were: any of the values inside one
    /// filter, all of those given. Null and empty restrict nothing; a well-formed id that is unknown matches nothing.
    ///
    /// A page that would grow too large ends early: only `pageInfo` tells whether there is more.
    #[expect(clippy::too_many_arguments, reason = "the filters are flat, as the vendor's are")]
    async fn closed_conversations(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "When they were closed; at most 3 months (92 days).")] interval: DateTimeInterval,
        #[graphql(desc = "By project.")] project_ids: Option<Vec<LegacyId>>,
        #[graphql(desc = "By channel.")] channels: Option<Vec<Channel>>,
        #[graphql(desc = "By group: somebody who is now in it took part.")] group_ids: Option<Vec<LegacyId>>,
        #[graphql(desc = "By user: those they were given to.")] user_ids: Option<Vec<LegacyId>>,
        #[graphql(desc = "By routing group: those it was to find somebody for.")] routing_group_ids: Option<Vec<Guid>>,
        #[graphql(desc = "By the reason for which they were closed.")] close_reason: Option<Vec<CloseReason>>,
        #[graphql(desc = "This one.")] conversation_id: Option<Guid>,
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
        let mut asked_for = Flat { project_ids, channels, group_ids, user_ids, routing_group_ids }.read()?;
        asked_for.closed = Some((interval.from.0, interval.to.0));
        asked_for.reasons = values(close_reason, "closeReason", |reason| reason.name().to_owned())?;
        asked_for.id = conversation_id.map(|Guid(guid)| guid);
        let asked = ctx.data::<Asked>()?;
        let archive = asked.reading.archive(&asked.snapshot);
        let part = archive.closed(asked_for, &span(&page)).await.map_err(|fault| of_field(&fault))?;
        Ok(connection(&page, part))
    }
}

//! The query `conversation`: one conversation by id (docs/reference/iadvize-graphql.md, "Conversations").

use async_graphql::{Context, Object, Result};

use crate::http::graphql::QueryContext;
use crate::http::graphql::object::conversation::Conversation;
use crate::http::graphql::scalar::Guid;
use crate::query::conversations::remembered;

/// The root field `conversation`.
#[derive(Default)]
pub struct ConversationQuery;

#[Object]
impl ConversationQuery {
    /// A conversation by id, open or closed. Null if there is none.
    async fn conversation(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The conversation's GUID.")] id: Guid,
    ) -> Result<Option<Conversation>> {
        let context = ctx.data::<QueryContext>()?;
        let found = match remembered(&context.snapshot.view, id.0) {
            Some(conversation) => Some(conversation.clone()),
            None => context.archive.find(&context.snapshot, id.0).await?,
        };
        Ok(found.and_then(Conversation::of))
    }
}

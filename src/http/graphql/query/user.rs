//! The query `user`: one user by id (docs/reference/iadvize-graphql.md, "user and users").

use async_graphql::{Context, Object, Result};

use crate::http::graphql::QueryContext;
use crate::http::graphql::object::user::User;
use crate::http::graphql::scalar::LegacyId;

/// The root field `user`.
#[derive(Default)]
pub struct UserQuery;

#[Object]
impl UserQuery {
    /// A user by id. Null if there is none. A deleted user is returned for up to 24 hours after the deletion.
    async fn user(&self, ctx: &Context<'_>, #[graphql(desc = "The user's id.")] id: LegacyId) -> Result<Option<User>> {
        Ok(User::find(&ctx.data::<QueryContext>()?.snapshot, id.0))
    }
}

//! The query `user`: one of them (CONTRACTS.md 2.8).

use async_graphql::{Context, Object, Result};

use crate::http::graphql::Asked;
use crate::http::graphql::object::user::User;
use crate::http::graphql::scalar::LegacyId;

/// Who somebody is.
#[derive(Default)]
pub struct UserQuery;

/// Who somebody is.
#[Object]
impl UserQuery {
    /// A user. Null when there is none, or none any more: a deleted user is answered for another 24 hours.
    async fn user(&self, ctx: &Context<'_>, #[graphql(desc = "The user's id.")] id: LegacyId) -> Result<Option<User>> {
        Ok(User::find(&ctx.data::<Asked>()?.snapshot, id.0))
    }
}

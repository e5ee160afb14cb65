//! The mutation `userAvailabilityStatusUpdate`: switches a channel of a user on or off
//! (docs/reference/iadvize-graphql.md, "userAvailabilityStatusUpdate").

use std::sync::Arc;

use async_graphql::{Context, Enum, InputObject, Object, Result, SimpleObject};

use super::{MutationContext, UserError};
use crate::command::change_availability::{Change, ChangeError, change_availability};
use crate::domain::Fault;
use crate::http::graphql::fault::of_field;
use crate::http::graphql::object::user::User;
use crate::http::graphql::scalar::{LegacyId, UserChannel};

/// The root field `userAvailabilityStatusUpdate`.
#[derive(Default)]
pub struct UserAvailabilityMutation;

/// The state of a user's switch for a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum UserAvailabilityStatus {
    /// On: the user can be given conversations of the channel while connected, ready and with a free slot.
    Available,
    /// Off: the user is given no more conversations of the channel, and keeps those already held.
    Unavailable,
}

/// The channel to switch, and its new state.
#[derive(Clone, Debug, InputObject)]
pub struct UserAvailabilityStatusUpdateInput {
    /// The user to change.
    user_id: LegacyId,
    /// The channel to switch.
    channel: UserChannel,
    /// The new state of the switch.
    status: UserAvailabilityStatus,
}

/// The result of `userAvailabilityStatusUpdate`.
#[derive(SimpleObject)]
pub struct UserAvailabilityStatusUpdatePayload {
    /// The user after the change. Null if nothing was changed.
    user: Option<User>,
    /// Reasons why nothing was changed. Null if the change was made.
    user_errors: Option<Vec<UserError>>,
}

impl UserAvailabilityStatusUpdatePayload {
    fn refused(field: &'static str, message: &str) -> Self {
        let error = UserError { message: message.to_owned(), field: Some(field) };
        UserAvailabilityStatusUpdatePayload { user: None, user_errors: Some(vec![error]) }
    }
}

#[Object]
impl UserAvailabilityMutation {
    /// Switches one channel of a user on or off, as the user can at their own desk. The switch can be set while the
    /// user is offline and is in effect when they connect. A user with the channel on is available once connected,
    /// ready and with a free slot. A channel that is not enabled for the user cannot be switched on.
    ///
    /// Requires the scope `graphql:write`. Null only together with an error of this field; the outcome may then be
    /// unknown, and it is safe to repeat the mutation.
    async fn user_availability_status_update(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The channel to switch, and its new state.")] input: UserAvailabilityStatusUpdateInput,
    ) -> Result<Option<UserAvailabilityStatusUpdatePayload>> {
        let context = ctx.data::<Arc<MutationContext>>()?;
        let app = &context.app;
        let LegacyId(user) = input.user_id;
        let switched = (input.channel.into(), input.status == UserAvailabilityStatus::Available);
        let change = Change { channels: vec![switched], offline: false };
        let done = change_availability(app.command(&context.caller), user, change).await;
        let unknown = || UserAvailabilityStatusUpdatePayload::refused("userId", "there is no such user");
        Ok(Some(match done {
            Ok(_) => match User::find(&context.refresh().map_err(|fault| of_field(&fault))?, user) {
                Some(user) => UserAvailabilityStatusUpdatePayload { user: Some(user), user_errors: None },
                // The user was deleted and forgotten between the change and this snapshot.
                None => unknown(),
            },
            Err(ChangeError::Fault(Fault::NotFound(_))) => unknown(),
            Err(ChangeError::NotEnabled(_)) => {
                UserAvailabilityStatusUpdatePayload::refused("channel", "the channel is not enabled for the user")
            }
            Err(ChangeError::Fault(fault)) => return Err(of_field(&fault)),
        }))
    }
}

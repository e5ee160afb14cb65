//! The mutation `userAvailabilityStatusUpdate`: a user takes a channel's conversations, or does not (CONTRACTS.md 2.8).

use std::sync::Arc;

use async_graphql::{Context, Enum, InputObject, Object, Result, SimpleObject};

use super::{Acting, UserError};
use crate::command::change_availability::{Change, NotChanged, change_availability};
use crate::domain::{Fault, Scope};
use crate::http::graphql::fault::of_field;
use crate::http::graphql::object::user::User;
use crate::http::graphql::scalar::{LegacyId, UserChannel};

/// Who takes what.
#[derive(Default)]
pub struct UserAvailabilityMutation;

/// Whether a user is to take a channel's conversations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum UserAvailabilityStatus {
    /// Takes them, once connected and as far as there is room.
    Available,
    /// Takes no more of them; what is held goes on.
    Unavailable,
}

/// Which channel of which user to switch, and how.
#[derive(Clone, Debug, InputObject)]
pub struct UserAvailabilityStatusUpdateInput {
    /// The user's id.
    user_id: LegacyId,
    /// The channel.
    channel: UserChannel,
    /// Whether the user is to take its conversations.
    status: UserAvailabilityStatus,
}

/// What became of `userAvailabilityStatusUpdate`.
#[derive(SimpleObject)]
pub struct UserAvailabilityStatusUpdatePayload {
    /// The user with the change in effect. Null if nothing was changed.
    user: Option<User>,
    /// Why nothing was changed. Null if something was.
    user_errors: Option<Vec<UserError>>,
}

impl UserAvailabilityStatusUpdatePayload {
    fn refused(field: &'static str, message: &str) -> Self {
        let error = UserError { message: message.to_owned(), field: Some(field) };
        UserAvailabilityStatusUpdatePayload { user: None, user_errors: Some(vec![error]) }
    }
}

/// Who takes what.
#[Object]
impl UserAvailabilityMutation {
    /// Switches one channel of a user on or off, from outside of their desk. The same as the user's own switch: who is
    /// offline is switched for when they connect, and who is switched on is available once connected, ready and with
    /// room. A channel that is not enabled for the user cannot be switched on.
    ///
    /// Needs the scope `graphql:write`. Null only together with an error of this field: then nothing may be known of
    /// the outcome, and the change may be asked for again.
    async fn user_availability_status_update(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which channel of which user, and how.")] input: UserAvailabilityStatusUpdateInput,
    ) -> Result<Option<UserAvailabilityStatusUpdatePayload>> {
        let acting = ctx.data::<Arc<Acting>>()?;
        let services = &acting.services;
        let LegacyId(user) = input.user_id;
        let switched = (input.channel.into(), input.status == UserAvailabilityStatus::Available);
        let change = Change { channels: vec![switched], offline: false };
        let (submitter, reader) = (services.submitter(), services.reader());
        let whose = (&acting.caller, Scope::GraphqlWrite);
        let done = change_availability(whose, submitter, reader, services.clock(), (user, change)).await;
        let unknown = || UserAvailabilityStatusUpdatePayload::refused("userId", "there is no such user");
        Ok(Some(match done {
            Ok(_) => match User::find(&acting.look(), user) {
                Some(user) => UserAvailabilityStatusUpdatePayload { user: Some(user), user_errors: None },
                // Deleted and forgotten right after.
                None => unknown(),
            },
            Err(NotChanged::Fault(Fault::NotFound(_))) => unknown(),
            Err(NotChanged::NotEnabled(_)) => {
                UserAvailabilityStatusUpdatePayload::refused("channel", "the channel is not enabled for the user")
            }
            Err(NotChanged::Fault(fault)) => return Err(of_field(&fault)),
        }))
    }
}

//! The mutations of the schema: one a file.

pub mod user_availability_status_update;

use async_graphql::{MergedObject, SimpleObject};
use parking_lot::Mutex;

use crate::auth::{Authorized, GraphqlWrite};
use crate::domain::Fault;
use crate::engine::Snapshot;
use crate::http::state::AppState;
use user_availability_status_update::UserAvailabilityMutation;

/// Mutations. The fields of a request are executed one after the other, in the order of the request; each is answered
/// from the state after its change.
#[derive(MergedObject, Default)]
pub struct Mutation(UserAvailabilityMutation);

/// The context of a mutation: the caller, the services, and the newest state that a field was answered from.
pub struct MutationContext {
    /// The services that commands use.
    pub app: AppState,
    /// The authenticated caller.
    pub caller: Authorized<GraphqlWrite>,
    newest: Mutex<Snapshot>,
}

impl MutationContext {
    /// Creates the context of a request, from the state before its first change.
    pub const fn new(app: AppState, caller: Authorized<GraphqlWrite>, before: Snapshot) -> Self {
        MutationContext { app, caller, newest: Mutex::new(before) }
    }

    /// Returns the state with all changes made so far, and remembers it as the newest.
    pub fn refresh(&self) -> Result<Snapshot, Fault> {
        let now = self.app.reader().snapshot(self.caller.tenant())?;
        *self.newest.lock() = now.clone();
        Ok(now)
    }

    /// Returns the newest state that a field was answered from; the response names its position.
    pub fn newest(&self) -> Snapshot {
        self.newest.lock().clone()
    }
}

/// The reason why a mutation changed nothing, if the caller can correct it. All other errors are in the response's
/// `errors`.
#[derive(Clone, Debug, SimpleObject)]
pub struct UserError {
    /// Description of the problem.
    message: String,
    /// Path of the invalid member of the input, such as `userId`. Null if no single member is at fault.
    field: Option<&'static str>,
}

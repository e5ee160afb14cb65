//! What may be changed: one change a file.

pub mod user_availability_status_update;

use async_graphql::{MergedObject, SimpleObject};
use parking_lot::Mutex;

use crate::auth::Caller;
use crate::engine::Snapshot;
use crate::http::services::Services;
use user_availability_status_update::UserAvailabilityMutation;

/// What may be changed. Changes are made one after the other, in the order in which the request asks for them; each is
/// answered from the state that it made.
#[derive(MergedObject, Default)]
pub struct Mutation(UserAvailabilityMutation);

/// Who changes something, what with, and the newest state that was answered from.
pub struct Acting {
    /// What commands work with.
    pub services: Services,
    /// Who.
    pub caller: Caller,
    newest: Mutex<Snapshot>,
}

impl Acting {
    /// Before anything was changed.
    pub const fn new(services: Services, caller: Caller, before: Snapshot) -> Self {
        Acting { services, caller, newest: Mutex::new(before) }
    }

    /// The state with everything that was changed so far.
    pub fn look(&self) -> Snapshot {
        let now = self.services.reader().snapshot(self.caller.tenant());
        *self.newest.lock() = now.clone();
        now
    }

    /// The newest state that was answered from.
    pub fn newest(&self) -> Snapshot {
        self.newest.lock().clone()
    }
}

/// Why something was not changed: what a person can put right. Other errors stand among the answer's `errors`.
#[derive(Clone, Debug, SimpleObject)]
pub struct UserError {
    /// What is wrong, in a sentence.
    message: String,
    /// The member of the input that is wrong, by its path: `userId`. Null if it is none of them.
    field: Option<&'static str>,
}

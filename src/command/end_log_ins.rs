//! Ends log-ins of a tenant's users.

use uuid::Uuid;

use crate::auth::{Authorized, Credentials, LogIn, OperatorsPasswords};
use crate::domain::Fault;
use crate::store::{Store, in_time};

/// The most tokens that are deleted by one statement.
const TOKENS_AT_ONCE: usize = 1_000;

/// The log-ins to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The one with this id.
    LogIn(Uuid),
    /// Those of the user with this GUID, with whatever password.
    User(Uuid),
}

impl Ending {
    fn includes(self, log_in: &LogIn) -> bool {
        match self {
            Ending::LogIn(id) => log_in.id == id,
            Ending::User(guid) => log_in.user.guid == guid,
        }
    }
}

/// Ends log-ins of the caller's tenant, which are invalid when this returns. Returns their number; those that do not
/// exist, or belong to another tenant, are none.
pub async fn end_log_ins(
    caller: &Authorized<OperatorsPasswords>,
    store: &Store,
    credentials: &Credentials,
    ending: Ending,
) -> Result<usize, Fault> {
    let all = credentials.log_ins(caller.tenant()).into_iter();
    let hashes: Vec<_> = all.filter(|log_in| ending.includes(log_in)).map(|log_in| log_in.hash).collect();
    for some in hashes.chunks(TOKENS_AT_ONCE) {
        // The store comes first: if it fails, these tokens are still in memory and the caller can retry.
        in_time(store.delete_tokens(some)).await?;
        some.iter().for_each(|hash| credentials.remove_token(hash));
    }
    Ok(hashes.len())
}

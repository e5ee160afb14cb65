//! Ends log-ins of a tenant's users.

use crate::auth::{Authorized, Credentials, OperatorsPasswords};
use crate::clock::Clock;
use crate::domain::Fault;
use crate::store::{Store, in_time};

pub use crate::store::Ending;

/// The most tokens that are deleted by one statement.
const TOKENS_AT_ONCE: u32 = 1_000;

/// Ends log-ins of the caller's tenant, whichever server issued them. They are invalid here when this returns, and at
/// other servers within a second. Returns their number; those that do not exist, or belong to another tenant, are none.
pub async fn end_log_ins(
    caller: &Authorized<OperatorsPasswords>,
    store: &Store,
    credentials: &Credentials,
    clock: &Clock,
    ending: Ending,
) -> Result<usize, Fault> {
    let mut ended = 0;
    loop {
        let hashes = in_time(store.end_log_ins(caller.tenant(), ending, clock.now(), TOKENS_AT_ONCE)).await?;
        hashes.iter().for_each(|hash| credentials.remove_token(hash));
        ended += hashes.len();
        if hashes.len() < TOKENS_AT_ONCE as usize {
            return Ok(ended);
        }
    }
}

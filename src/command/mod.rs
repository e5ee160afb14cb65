//! What callers want done: one intent a file, each authorised, turned into events and committed.

pub mod change_availability;
pub mod change_presence;
pub mod create_key;
pub mod create_operator;
pub mod create_tenant;
pub mod delete_operator;
pub mod issue_token;
pub mod log_in;
pub mod post_events;
pub mod revoke_key;
pub mod revoke_token;
pub mod update_operator;
pub mod upsert_directory;

use std::future::Future;
use std::time::Duration;

use crate::domain::Fault;
use crate::store::StoreError;

/// How long the store may take over a token.
const PATIENCE: Duration = Duration::from_secs(2);

/// What the store answers, in time or not at all.
async fn in_time<T>(asking: impl Future<Output = Result<T, StoreError>>) -> Result<T, Fault> {
    let answer = tokio::time::timeout(PATIENCE, asking).await;
    answer.map_err(|_| Fault::Unavailable("the store did not answer in time"))?.map_err(unavailable)
}

/// A store that fails is away, as far as the caller is concerned; the log has the details.
fn unavailable(error: StoreError) -> Fault {
    tracing::warn!(%error, "the store failed");
    Fault::Unavailable("the store is away")
}

//! What callers want done: one intent a file, each authorised, turned into events and committed.

pub mod change_availability;
pub mod change_presence;
pub mod create_key;
pub mod create_tenant;
pub mod post_events;
pub mod revoke_key;
pub mod upsert_directory;

use crate::domain::Fault;
use crate::store::StoreError;

/// A store that fails is away, as far as the caller is concerned; the log has the details.
fn unavailable(error: StoreError) -> Fault {
    tracing::warn!(%error, "the store failed");
    Fault::Unavailable("the store is away")
}

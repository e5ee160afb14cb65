//! Whoever has a token gives it up.

use std::time::Duration;

use super::unavailable;
use crate::auth::{KeyRing, secret};
use crate::domain::Fault;
use crate::store::Store;

/// How long the store may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// Revokes a token; it no longer works when this answers. What is no token is none afterwards either.
pub async fn revoke_token(store: &Store, ring: &KeyRing, token: &str) -> Result<(), Fault> {
    let hash = secret::hash(token);
    // What nobody was given is no reason to write.
    if !ring.knows(&hash) {
        return Ok(());
    }
    // The store first: should it fail, the token is still known when it is tried again.
    let deleted = tokio::time::timeout(PATIENCE, store.delete_token(&hash)).await;
    deleted.map_err(|_| Fault::Unavailable("the store did not answer in time"))?.map_err(unavailable)?;
    ring.forget(&hash);
    Ok(())
}

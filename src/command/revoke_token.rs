//! Whoever has a token gives it up.

use crate::auth::{KeyRing, secret};
use crate::domain::Fault;
use crate::store::{Store, in_time};

/// Revokes a token; it no longer works when this answers. What is no token is none afterwards either.
pub async fn revoke_token(store: &Store, ring: &KeyRing, token: &str) -> Result<(), Fault> {
    let hash = secret::hash(token);
    // What nobody was given is no reason to write.
    if !ring.knows(&hash) {
        return Ok(());
    }
    // The store first: should it fail, the token is still known when it is tried again.
    in_time(store.delete_token(&hash)).await?;
    ring.forget(&hash);
    Ok(())
}

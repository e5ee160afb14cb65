//! Revokes a token, for its holder.

use crate::auth::{Credentials, secret};
use crate::domain::Fault;
use crate::store::{Store, in_time};

/// Revokes a token, which is invalid when this returns. Revoking an unknown token succeeds (RFC 7009) and writes
/// nothing. So does any text longer than a token, which is not even hashed.
pub async fn revoke_token(store: &Store, credentials: &Credentials, token: &str) -> Result<(), Fault> {
    let Some(hash) = secret::hash_of_made(token) else { return Ok(()) };
    // Tokens that are unknown, also after they were looked up, are ignored here, so that unauthenticated callers cannot
    // cause writes.
    if !credentials.has_token(&hash) {
        return Ok(());
    }
    // The store comes first: if it fails, the token is still in memory and the caller can retry.
    in_time(store.delete_tokens(&[hash])).await?;
    credentials.remove_token(&hash);
    Ok(())
}

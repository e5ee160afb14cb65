//! Tokens in memory, found by their hash. The store holds them as well, for other servers and the next start.

use super::by_hash::{ByHash, Held};
use crate::domain::{Scopes, TenantId, Time};
use crate::store::{TokenHolder, TokenRecord};

/// A token in memory.
#[derive(Clone, Copy, Debug)]
pub struct Token {
    /// The tenant that it belongs to.
    pub tenant: TenantId,
    /// The credential that it was issued for.
    pub holder: TokenHolder,
    /// The scopes it was issued with.
    pub scopes: Scopes,
    expires: Time,
}

impl Held for Token {
    fn tenant(&self) -> TenantId {
        self.tenant
    }

    fn expires(&self) -> Time {
        self.expires
    }
}

/// The tokens in memory. They may include expired ones until these are purged.
pub type Tokens = ByHash<Token>;

impl ByHash<Token> {
    /// Adds a token.
    pub fn insert(&self, record: &TokenRecord) {
        let TokenRecord { hash, tenant, holder, scopes, expires, .. } = record;
        let scopes = scopes.iter().copied().collect();
        self.0.pin().insert(*hash, Token { tenant: *tenant, holder: *holder, scopes, expires: *expires });
    }

    /// Returns true if the token is in memory, expired or not.
    pub fn contains(&self, hash: &[u8; 32]) -> bool {
        self.0.pin().contains_key(hash)
    }
}

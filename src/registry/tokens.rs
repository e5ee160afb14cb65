//! Tokens in memory, found by their hash. The store holds them as well, for other servers and the next start.

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

/// The tokens in memory. They may include expired ones until these are purged.
#[derive(Debug, Default)]
pub struct Tokens(papaya::HashMap<[u8; 32], Token>);

impl Tokens {
    /// Adds a token.
    pub fn insert(&self, record: &TokenRecord) {
        let TokenRecord { hash, tenant, holder, scopes, expires, .. } = record;
        let scopes = scopes.iter().copied().collect();
        self.0.pin().insert(*hash, Token { tenant: *tenant, holder: *holder, scopes, expires: *expires });
    }

    /// The token with this hash, unless it has expired by `now`.
    pub fn find(&self, hash: &[u8; 32], now: Time) -> Option<Token> {
        self.0.pin().get(hash).copied().filter(|token| now < token.expires)
    }

    /// The hashes of all tokens in memory.
    pub(super) fn hashes(&self) -> Vec<[u8; 32]> {
        self.0.pin().keys().copied().collect()
    }

    /// Returns true if the token is in memory, expired or not.
    pub fn contains(&self, hash: &[u8; 32]) -> bool {
        self.0.pin().contains_key(hash)
    }

    /// Removes a token; returns its tenant if it was in memory.
    pub fn remove(&self, hash: &[u8; 32]) -> Option<TenantId> {
        self.0.pin().remove(hash).map(|token| token.tenant)
    }

    /// Removes every token of a tenant.
    pub(super) fn remove_all(&self, tenant: TenantId) {
        self.0.pin().retain(|_, token| token.tenant != tenant);
    }

    /// Removes the tokens that have expired by `now`.
    pub fn purge(&self, now: Time) {
        self.0.pin().retain(|_, token| now < token.expires);
    }
}

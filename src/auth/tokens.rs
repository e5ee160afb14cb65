//! Tokens in memory, found by their hash. The store holds them as well, for the next start.

use uuid::Uuid;

use crate::domain::{Scopes, TenantId, Time};
use crate::store::{TokenHolder, TokenRecord};

/// The user and the password that a token was issued for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoggedIn {
    /// The user's GUID.
    pub guid: Uuid,
    /// Journal position at which the password was set. A token is invalid once the user's password has another.
    pub password: u64,
}

/// A token in memory.
#[derive(Clone, Copy, Debug)]
pub(super) struct Token {
    pub tenant: TenantId,
    pub holder: TokenHolder,
    pub scopes: Scopes,
    expires: Time,
}

/// The tokens in memory. They may include expired ones until these are purged.
#[derive(Debug, Default)]
pub(super) struct Tokens(papaya::HashMap<[u8; 32], Token>);

impl Tokens {
    pub fn insert(&self, record: &TokenRecord) {
        let TokenRecord { hash, tenant, holder, scopes, expires, .. } = record;
        let scopes = scopes.iter().copied().collect();
        self.0.pin().insert(*hash, Token { tenant: *tenant, holder: *holder, scopes, expires: *expires });
    }

    /// The token with this hash, unless it has expired by `now`.
    pub fn find(&self, hash: &[u8; 32], now: Time) -> Option<Token> {
        self.0.pin().get(hash).copied().filter(|token| now < token.expires)
    }

    /// Returns true if the token is in memory, expired or not.
    pub fn contains(&self, hash: &[u8; 32]) -> bool {
        self.0.pin().contains_key(hash)
    }

    pub fn remove(&self, hash: &[u8; 32]) {
        self.0.pin().remove(hash);
    }

    /// Removes every token of a tenant.
    pub fn remove_all(&self, tenant: TenantId) {
        self.0.pin().retain(|_, token| token.tenant != tenant);
    }

    /// Removes the tokens that have expired by `now`.
    pub fn purge(&self, now: Time) {
        self.0.pin().retain(|_, token| now < token.expires);
    }
}

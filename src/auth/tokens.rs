//! Tokens in memory, found by their hash. The store has them too, for the next start.

use uuid::Uuid;

use crate::domain::{Scopes, TenantId, Time};
use crate::store::{TokenHolder, TokenRecord};

/// Somebody who logged in, and with which of their passwords.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoggedIn {
    /// Who.
    pub guid: Uuid,
    /// Position at which the password was set.
    pub password: u64,
}

/// What is known of a token.
#[derive(Clone, Copy, Debug)]
pub(super) struct Token {
    pub tenant: TenantId,
    pub holder: TokenHolder,
    pub scopes: Scopes,
    expires: Time,
}

/// The tokens that may still be worth something.
#[derive(Debug, Default)]
pub(super) struct Tokens(papaya::HashMap<[u8; 32], Token>);

impl Tokens {
    pub fn keep(&self, record: &TokenRecord) {
        let TokenRecord { hash, tenant, holder, scopes, expires, .. } = record;
        let scopes = scopes.iter().copied().collect();
        self.0.pin().insert(*hash, Token { tenant: *tenant, holder: *holder, scopes, expires: *expires });
    }

    /// The token, unless it has run out by `now`.
    pub fn find(&self, hash: &[u8; 32], now: Time) -> Option<Token> {
        self.0.pin().get(hash).copied().filter(|token| now < token.expires)
    }

    /// Whether it is here, run out or not.
    pub fn knows(&self, hash: &[u8; 32]) -> bool {
        self.0.pin().contains_key(hash)
    }

    pub fn forget(&self, hash: &[u8; 32]) {
        self.0.pin().remove(hash);
    }

    /// Forgets those that have run out by `now`.
    pub fn purge(&self, now: Time) {
        self.0.pin().retain(|_, token| now < token.expires);
    }
}

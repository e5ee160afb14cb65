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

/// The present rights of a user who logged in, as the user's account has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UserRights {
    /// The scopes of the user's roles.
    pub scopes: Scopes,
    /// The key that set the password; `None` if that was not recorded.
    pub key: Option<Uuid>,
}

/// A log-in of a user: a token that was issued for a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogIn {
    /// The id of the log-in: the first bytes of its hash, which reveal nothing of the token.
    pub id: Uuid,
    /// The hash of the token.
    pub hash: [u8; 32],
    /// The user, and the password that the token was issued for.
    pub user: LoggedIn,
    /// The scopes it was issued with.
    pub scopes: Scopes,
    /// Time of issue.
    pub created: Time,
    /// Time from which it is invalid.
    pub expires: Time,
}

/// A token in memory.
#[derive(Clone, Copy, Debug)]
pub(super) struct Token {
    pub tenant: TenantId,
    pub holder: TokenHolder,
    pub scopes: Scopes,
    created: Time,
    expires: Time,
}

/// The tokens in memory. They may include expired ones until these are purged.
#[derive(Debug, Default)]
pub(super) struct Tokens(papaya::HashMap<[u8; 32], Token>);

impl Tokens {
    pub fn insert(&self, record: &TokenRecord) {
        let TokenRecord { hash, tenant, holder, scopes, created, expires } = record;
        let scopes = scopes.iter().copied().collect();
        let token = Token { tenant: *tenant, holder: *holder, scopes, created: *created, expires: *expires };
        self.0.pin().insert(*hash, token);
    }

    /// The token with this hash, unless it has expired by `now`.
    pub fn find(&self, hash: &[u8; 32], now: Time) -> Option<Token> {
        self.0.pin().get(hash).copied().filter(|token| now < token.expires)
    }

    /// The number of tokens in memory, of all tenants.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The log-ins of a tenant's users that have not expired by `now`, in no order. The cost grows with the tokens of
    /// all tenants.
    pub fn log_ins(&self, tenant: TenantId, now: Time) -> Vec<LogIn> {
        let log_in = |hash: &[u8; 32], token: &Token| match token.holder {
            TokenHolder::User { guid, password } if token.tenant == tenant && now < token.expires => {
                let mut id = [0; 16];
                id.copy_from_slice(&hash[..16]);
                Some(LogIn {
                    id: uuid::Builder::from_custom_bytes(id).into_uuid(),
                    hash: *hash,
                    user: LoggedIn { guid, password },
                    scopes: token.scopes,
                    created: token.created,
                    expires: token.expires,
                })
            }
            _ => None,
        };
        self.0.pin().iter().filter_map(|(hash, token)| log_in(hash, token)).collect()
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
    pub fn remove_all(&self, tenant: TenantId) {
        self.0.pin().retain(|_, token| token.tenant != tenant);
    }

    /// Removes the tokens that have expired by `now`.
    pub fn purge(&self, now: Time) {
        self.0.pin().retain(|_, token| now < token.expires);
    }
}

//! Tokens: what was given for a key or a password, until it runs out.

use uuid::Uuid;

use super::{Store, StoreError, on_backend};
use crate::domain::{Scope, TenantId, Time};

/// What a token was given for. It is worth nothing without it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenHolder {
    /// A key, by its id.
    Key(Uuid),
    /// Somebody's password.
    User {
        /// Whose.
        guid: Uuid,
        /// Position at which it was set.
        password: u64,
    },
}

/// A token as stored: without the token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenRecord {
    /// SHA-256 of the token.
    pub hash: [u8; 32],
    /// Whose.
    pub tenant: TenantId,
    /// What it was given for.
    pub holder: TokenHolder,
    /// What it may do.
    pub scopes: Vec<Scope>,
    /// Since when.
    pub created: Time,
    /// Until when: from then on it is worth nothing.
    pub expires: Time,
}

/// A token's columns as either backend gives them.
pub(super) struct TokenColumns {
    pub hash: Vec<u8>,
    pub tenant: Uuid,
    pub key: Option<Uuid>,
    pub person: Option<Uuid>,
    pub password: Option<i64>,
    pub scopes: String,
    pub created: i64,
    pub expires: i64,
}

impl TokenColumns {
    pub(super) fn read(self) -> Result<TokenRecord, StoreError> {
        let unreadable = |what: &str| StoreError::Unreadable(format!("a token of {}: {what}", self.tenant));
        let holder = match (self.key, self.person, self.password) {
            (Some(key), None, None) => TokenHolder::Key(key),
            (None, Some(guid), Some(password)) => TokenHolder::User { guid, password: password as u64 },
            _ => return Err(unreadable("holder")),
        };
        Ok(TokenRecord {
            hash: self.hash.as_slice().try_into().map_err(|_| unreadable("hash"))?,
            scopes: serde_json::from_str(&self.scopes).map_err(|_| unreadable("scopes"))?,
            tenant: TenantId(self.tenant),
            holder,
            created: Time::from_micros(self.created),
            expires: Time::from_micros(self.expires),
        })
    }
}

/// What a holder is stored as: the key, or the person and the position of the password.
pub(super) const fn holder_columns(holder: TokenHolder) -> (Option<Uuid>, Option<Uuid>, Option<i64>) {
    match holder {
        TokenHolder::Key(key) => (Some(key), None, None),
        TokenHolder::User { guid, password } => (None, Some(guid), Some(password as i64)),
    }
}

impl Store {
    /// Adds a token.
    pub async fn create_token(&self, token: &TokenRecord) -> Result<(), StoreError> {
        on_backend!(self, store => store.create_token(token).await)
    }

    /// Every token that has not run out by `now`, oldest first.
    pub async fn tokens(&self, now: Time) -> Result<Vec<TokenRecord>, StoreError> {
        on_backend!(self, store => store.tokens(now).await)
    }

    /// Deletes a token, if it is there.
    pub async fn delete_token(&self, hash: &[u8; 32]) -> Result<(), StoreError> {
        on_backend!(self, store => store.delete_token(hash).await)
    }
}

//! The tokens that were issued for a key or a password, until they expire.

use uuid::Uuid;

use super::{Store, StoreError, on_backend};
use crate::domain::{Scope, TenantId, Time};

/// The credential that a token was issued for. The token is invalid once the credential is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenHolder {
    /// A key, by its id.
    Key(Uuid),
    /// A user's password.
    User {
        /// The user's GUID.
        guid: Uuid,
        /// The position in the journal at which the password was set. Another position means another password.
        password: u64,
    },
}

/// A stored token. The secret itself is not stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenRecord {
    /// SHA-256 of the token.
    pub hash: [u8; 32],
    /// The tenant that the token belongs to.
    pub tenant: TenantId,
    /// The credential it was issued for.
    pub holder: TokenHolder,
    /// The scopes it grants.
    pub scopes: Vec<Scope>,
    /// Time of issue.
    pub created: Time,
    /// Time from which it is invalid.
    pub expires: Time,
}

/// A token's columns, as either backend reads them.
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

/// Returns a holder's columns: the key, or the person's GUID and the position of the password.
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

    /// Returns every token that has not expired by `now`, oldest first.
    pub async fn tokens(&self, now: Time) -> Result<Vec<TokenRecord>, StoreError> {
        on_backend!(self, store => store.tokens(now).await)
    }

    /// Deletes the tokens with these hashes, all or none. Succeeds for those that do not exist.
    pub async fn delete_tokens(&self, hashes: &[[u8; 32]]) -> Result<(), StoreError> {
        on_backend!(self, store => store.delete_tokens(hashes).await)
    }
}

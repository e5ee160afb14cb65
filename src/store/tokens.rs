//! The tokens that were issued for a key or a password, until they expire.

use uuid::Uuid;

use super::{RegistryVersion, Store, StoreError, on_backend};
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

impl TokenRecord {
    /// The id of a log-in: the first bytes of the token's hash, which reveal nothing of the token.
    pub fn log_in_id(&self) -> Uuid {
        id_of(&self.hash)
    }
}

/// The log-ins to list: tokens that were issued for a password and have not expired, the newest first.
#[derive(Clone, Copy, Debug)]
pub struct LogInPage {
    /// The tenant.
    pub tenant: TenantId,
    /// Only those of the user with this GUID.
    pub user: Option<Uuid>,
    /// Those that do not expire before this time.
    pub now: Time,
    /// The time of issue and the hash of the last one on the page before.
    pub before: Option<(Time, [u8; 32])>,
    /// The most log-ins of the page.
    pub limit: u32,
}

impl LogInPage {
    /// The place after which the page begins. All tokens come after that of the first page.
    pub(super) fn place(&self) -> (i64, [u8; 32]) {
        self.before.map_or((i64::MAX, [u8::MAX; 32]), |(created, hash)| (created.micros(), hash))
    }
}

/// The log-ins to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The one with this id.
    LogIn(Uuid),
    /// Those of the user with this GUID, with whatever password.
    User(Uuid),
}

impl Ending {
    /// The GUID of the user, if all of one user are ended.
    pub(super) const fn user(self) -> Option<Uuid> {
        match self {
            Ending::LogIn(_) => None,
            Ending::User(guid) => Some(guid),
        }
    }

    /// The first and the last hash that a token of these can have.
    pub(super) fn hashes(self) -> [[u8; 32]; 2] {
        match self {
            Ending::LogIn(id) => hashes_of(id),
            Ending::User(_) => [[0; 32], [u8::MAX; 32]],
        }
    }
}

/// Returns the id of what a token gives access to: the first bytes of the token's hash, which reveal nothing of it.
pub(super) fn id_of(hash: &[u8; 32]) -> Uuid {
    let mut id = [0; 16];
    id.copy_from_slice(&hash[..16]);
    Uuid::from_bytes(id)
}

/// Returns the first and the last hash that a token with this id can have.
pub(super) fn hashes_of(id: Uuid) -> [[u8; 32]; 2] {
    [0, u8::MAX].map(|rest| {
        let mut hash = [rest; 32];
        hash[..16].copy_from_slice(id.as_bytes());
        hash
    })
}

/// Reads a stored hash.
pub(super) fn hash_column(hash: &[u8]) -> Result<[u8; 32], StoreError> {
    hash.try_into().map_err(|_| StoreError::Unreadable(String::from("the hash of a token")))
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

    /// Returns the registry's version, and those of the tokens with these hashes that exist. No token is missing that was
    /// there when the version was current.
    pub async fn look_up(&self, hashes: &[[u8; 32]]) -> Result<(RegistryVersion, Vec<TokenRecord>), StoreError> {
        on_backend!(self, store => store.look_up(hashes).await)
    }

    /// Returns a page of log-ins.
    pub async fn log_ins(&self, page: LogInPage) -> Result<Vec<TokenRecord>, StoreError> {
        on_backend!(self, store => store.log_ins(page).await)
    }

    /// Deletes up to `limit` log-ins of a tenant that have not expired by `now`, which changes the registry's version.
    /// Returns their hashes.
    pub async fn end_log_ins(
        &self,
        tenant: TenantId,
        ending: Ending,
        now: Time,
        limit: u32,
    ) -> Result<Vec<[u8; 32]>, StoreError> {
        on_backend!(self, store => store.end_log_ins(tenant, ending, now, limit).await)
    }

    /// Deletes the tokens with these hashes, all or none, which changes the registry's version. Succeeds for those that
    /// do not exist.
    pub async fn delete_tokens(&self, hashes: &[[u8; 32]]) -> Result<(), StoreError> {
        on_backend!(self, store => store.delete_tokens(hashes).await)
    }
}

//! Log-ins of users, as the store has them: each server may have issued some.

use uuid::Uuid;

use super::LoggedIn;
use crate::domain::{Scopes, Time};
use crate::store::{TokenHolder, TokenRecord};

/// A log-in of a user: a token that was issued for a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogIn {
    /// The id of the log-in.
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

impl LogIn {
    /// Returns the log-in of a token; `None` for a token of a key.
    pub(super) fn of(token: &TokenRecord) -> Option<Self> {
        let TokenHolder::User { guid, password } = token.holder else { return None };
        Some(LogIn {
            id: token.log_in_id(),
            hash: token.hash,
            user: LoggedIn { guid, password },
            scopes: token.scopes.iter().copied().collect(),
            created: token.created,
            expires: token.expires,
        })
    }
}

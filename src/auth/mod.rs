//! Authentication: from a credential to a [`Caller`]. The tenant of a request comes from here and from nowhere else.

mod authorized;
mod credentials;
mod exchange;
mod failures;
mod links;
mod log_ins;
mod look_ups;
pub mod password;
pub mod secret;
pub mod signature;
pub mod tickets;

pub use authorized::{
    AgentsAvailabilityRead, All, Authorized, DirectoryRead, DirectoryWrite, EventsWrite, GraphqlRead, GraphqlWrite,
    OperatorsPasswords, OperatorsRead, OperatorsWrite, Privilege, UserActivityRead, UsersRead, UsersWrite,
    WallboardsRead, WallboardsWrite,
};
pub use credentials::{Credentials, LOG_INS_AT_ONCE, OperatorHashes};
pub use exchange::exchange_log_ins;
pub use links::Link;
pub use log_ins::LogIn;
pub use password::{NewPassword, Passwords};
pub use tickets::Tickets;

use uuid::Uuid;

use crate::domain::{Scopes, TenantId};

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

/// An authenticated caller of one tenant. Only this module creates one, from a credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Caller {
    tenant: TenantId,
    scopes: Scopes,
    /// The hash of the presented credential, by which the caller can be authenticated again later.
    credential: [u8; 32],
    /// The key that the credential goes back to: the key itself, the key of a token, or the key that set the password
    /// of a user. `None` for a user with a password for which no key is recorded.
    key: Option<Uuid>,
    /// True for a user who logged in with a password.
    is_user: bool,
}

impl Caller {
    /// The one tenant that the caller may access.
    pub fn tenant(&self) -> TenantId {
        self.tenant
    }
}

/// A key authenticated together with its id, for which a program can obtain tokens. Only this module creates one.
#[derive(Clone, Copy, Debug)]
pub struct Client {
    key: Uuid,
    tenant: TenantId,
    scopes: Scopes,
}

impl Client {
    /// Id of the key.
    pub fn key(&self) -> Uuid {
        self.key
    }

    /// Tenant that the key belongs to.
    pub fn tenant(&self) -> TenantId {
        self.tenant
    }

    /// Scopes that the key grants.
    pub fn scopes(&self) -> Scopes {
        self.scopes
    }
}

/// Proof that the caller is the administrator of the service. Only this module creates one, from the administrator's
/// token.
#[derive(Clone, Copy, Debug)]
pub struct Admin(());

/// Proof that the caller may read the metrics: the administrator, or a monitor with a token for nothing else. Only this
/// module creates one.
#[derive(Clone, Copy, Debug)]
pub struct Scraper(());

impl Admin {
    /// The administrator, for commands run on the store itself: access to the store already permits everything.
    pub(crate) fn local() -> Self {
        Admin(())
    }
}

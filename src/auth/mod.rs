//! From a credential to a [`Caller`]: the only place where a tenant comes from.

mod keyring;
pub mod password;
pub mod secret;
pub mod signature;
pub mod tickets;
mod tokens;

pub use keyring::KeyRing;
pub use password::Passwords;
pub use tickets::Tickets;
pub use tokens::LoggedIn;

use uuid::Uuid;

use crate::domain::{Fault, Scope, Scopes, TenantId};

/// Somebody who may act for one tenant. Made here only, from a credential.
#[derive(Clone, Copy, Debug)]
pub struct Caller {
    tenant: TenantId,
    scopes: Scopes,
    /// The hash of what was presented, by which it can be asked later whether that is still good.
    credential: [u8; 32],
}

impl Caller {
    /// Whose data the caller sees: this tenant's and no other's.
    pub fn tenant(&self) -> TenantId {
        self.tenant
    }

    /// [`Fault::Forbidden`] unless the credential grants `scope`.
    pub fn require(&self, scope: Scope) -> Result<(), Fault> {
        if self.scopes.allow(scope) { Ok(()) } else { Err(Fault::Forbidden) }
    }
}

/// A key, shown together with its id: what a program gets tokens for. Made here only.
#[derive(Clone, Copy, Debug)]
pub struct Client {
    key: Uuid,
    tenant: TenantId,
    scopes: Scopes,
}

impl Client {
    /// The key's id.
    pub fn key(&self) -> Uuid {
        self.key
    }

    /// Whose it is.
    pub fn tenant(&self) -> TenantId {
        self.tenant
    }

    /// What it may do.
    pub fn scopes(&self) -> Scopes {
        self.scopes
    }
}

/// The administrator of this service. Made here only, from the administrator's token.
#[derive(Clone, Copy, Debug)]
pub struct Admin(());

impl Admin {
    /// Whoever runs commands on the store itself is its administrator already.
    pub(crate) fn local() -> Self {
        Admin(())
    }
}

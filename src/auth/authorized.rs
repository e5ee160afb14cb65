//! Privileges as types: a function that needs a scope takes the proof of it as a parameter, so that the check can
//! neither be forgotten nor be made twice.

use std::marker::PhantomData;

use uuid::Uuid;

use super::Caller;
use crate::domain::{Fault, RoleGrant, Roles, Scope, TenantId};

/// A scope as a type.
pub trait Privilege: Send + Sync + 'static {
    /// The scope that the type stands for.
    const SCOPE: Scope;
}

macro_rules! privileges {
    ($($name:ident),* $(,)?) => {$(
        #[doc = concat!("[`Scope::", stringify!($name), "`] as a type.")]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name {}

        impl Privilege for $name {
            const SCOPE: Scope = Scope::$name;
        }
    )*};
}

privileges!(
    EventsWrite,
    DirectoryWrite,
    DirectoryRead,
    OperatorsRead,
    OperatorsWrite,
    OperatorsPasswords,
    UsersRead,
    UsersWrite,
    UserActivityRead,
    AgentsAvailabilityRead,
    GraphqlRead,
    GraphqlWrite,
    WallboardsRead,
    WallboardsWrite,
    All,
);

/// A caller with a credential that grants the scope of `P`. Made by [`Caller::authorize`] only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Authorized<P> {
    caller: Caller,
    privilege: PhantomData<fn() -> P>,
}

impl Caller {
    /// Checks that the credential grants the scope of `P`; [`Fault::Forbidden`] if not.
    pub fn authorize<P: Privilege>(self) -> Result<Authorized<P>, Fault> {
        if self.scopes.allow(P::SCOPE) {
            Ok(Authorized { caller: self, privilege: PhantomData })
        } else {
            Err(Fault::Forbidden)
        }
    }
}

impl<P> Authorized<P> {
    /// The roles that the caller may give. Accounts with a password need [`Scope::OperatorsPasswords`]. A user gives no
    /// account a role that allows more than the user may do.
    pub fn role_grant(&self) -> RoleGrant {
        let Caller { scopes, is_user, .. } = self.caller;
        let grantable = scopes.grantable_roles();
        RoleGrant {
            with_password: scopes.allow(Scope::OperatorsPasswords).then_some(grantable),
            without_password: if is_user { grantable } else { Roles::ALL },
        }
    }

    /// Returns true if the credential grants another scope as well, for a document whose content decides what it needs.
    pub fn may(&self, scope: Scope) -> bool {
        self.caller.scopes.allow(scope)
    }

    /// The key by which the caller is authenticated, itself or by a token that was issued for it; `None` for a user.
    pub fn key(&self) -> Option<Uuid> {
        self.caller.key.filter(|_| !self.caller.is_user)
    }

    /// The one tenant that the caller may access.
    pub fn tenant(&self) -> TenantId {
        self.caller.tenant
    }

    /// The caller without the proof, to be authenticated again later.
    pub fn caller(&self) -> &Caller {
        &self.caller
    }
}

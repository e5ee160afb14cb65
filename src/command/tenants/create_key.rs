//! Adds a key to a tenant, for the administrator.

use crate::auth::secret::Secret;
use crate::auth::{Admin, Credentials};
use crate::clock::Clock;
use crate::domain::{Fault, Scope, TenantId, text};
use crate::store::{KeyRecord, Store, in_time};

/// A key to be added.
#[derive(Clone, Debug)]
pub struct NewKey<'a> {
    /// The tenant that the key belongs to.
    pub tenant: TenantId,
    /// A name for people.
    pub name: &'a str,
    /// The scopes that the key grants, at least one.
    pub scopes: Vec<Scope>,
}

/// Adds a key, which is valid when this returns. [`Fault::NotFound`] for an unknown tenant, [`Fault::Refused`] for an
/// invalid name or no scopes.
pub async fn create_key(
    _admin: &Admin,
    store: &Store,
    credentials: &Credentials,
    clock: &Clock,
    wanted: NewKey<'_>,
) -> Result<(KeyRecord, Secret), Fault> {
    let NewKey { tenant, name, scopes } = wanted;
    if !text::is_label(name) {
        return Err(Fault::refused("/name", text::LABEL_WANTED));
    }
    if scopes.is_empty() {
        return Err(Fault::refused("/scopes", "must name at least one scope"));
    }
    let secret = Secret::generate("rk");
    let key = KeyRecord {
        id: clock.new_id(),
        tenant,
        name: name.to_owned(),
        prefix: secret.prefix(),
        hash: secret.hash(),
        scopes,
        created: clock.now(),
        revoked: None,
    };
    if !in_time(store.create_key(&key)).await? {
        return Err(Fault::NotFound("tenant"));
    }
    in_time(credentials.refresh()).await?;
    Ok((key, secret))
}

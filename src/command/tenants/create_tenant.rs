//! Adds a tenant, for the administrator.

use crate::auth::Admin;
use crate::clock::Clock;
use crate::domain::{Fault, Settings, TenantId, text};
use crate::store::{Store, TenantRecord, in_time};

/// Adds a tenant. [`Fault::Conflict`] if the name is taken, [`Fault::Refused`] if it is invalid.
pub async fn create_tenant(_admin: &Admin, store: &Store, clock: &Clock, name: &str) -> Result<TenantRecord, Fault> {
    if !text::is_label(name) {
        return Err(Fault::refused("/name", text::LABEL_WANTED));
    }
    let (id, settings) = (TenantId(clock.new_id()), Settings::default());
    let tenant = TenantRecord { id, name: name.to_owned(), created: clock.now(), settings };
    match in_time(store.create_tenant(&tenant)).await? {
        true => Ok(tenant),
        false => Err(Fault::Conflict("a tenant of that name exists")),
    }
}

//! Tenants with their settings, and their keys.

use uuid::Uuid;

use super::{Store, StoreError, on_backend};
use crate::domain::settings::{Settings, WebhookSecret};
use crate::domain::{Scope, TenantId, Time};

/// A tenant as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TenantRecord {
    /// Identity.
    pub id: TenantId,
    /// Name, unique.
    pub name: String,
    /// Since when.
    pub created: Time,
    /// How things are done for it.
    pub settings: Settings,
}

/// A tenant's columns as either backend gives them.
pub(super) struct TenantColumns {
    pub id: Uuid,
    pub name: String,
    pub created: i64,
    pub conversation_text: bool,
    pub conversation_days: Option<i32>,
    pub iadvize_secret: Option<String>,
    pub desk_lease_seconds: Option<i32>,
    pub desk_heartbeat_seconds: Option<i32>,
}

impl TenantColumns {
    pub(super) fn read(self) -> Result<TenantRecord, StoreError> {
        let unreadable = |what: &str| StoreError::Unreadable(format!("tenant {}: {what}", self.id));
        let number = |column: Option<i32>, what| column.map(u32::try_from).transpose().map_err(|_| unreadable(what));
        let secret = self.iadvize_secret.map(|text| WebhookSecret::new(&text).ok_or(()));
        let settings = Settings {
            conversation_text: self.conversation_text,
            conversation_days: number(self.conversation_days, "conversation_days")?,
            iadvize_secret: secret.transpose().map_err(|()| unreadable("iadvize_secret"))?,
            desk_lease_seconds: number(self.desk_lease_seconds, "desk_lease_seconds")?,
            desk_heartbeat_seconds: number(self.desk_heartbeat_seconds, "desk_heartbeat_seconds")?,
        };
        let created = Time::from_micros(self.created);
        Ok(TenantRecord { id: TenantId(self.id), name: self.name, created, settings })
    }
}

/// Settings as either backend stores them.
pub(super) struct SettingsColumns<'a> {
    pub conversation_text: bool,
    pub conversation_days: Option<i32>,
    pub iadvize_secret: Option<&'a str>,
    pub desk_lease_seconds: Option<i32>,
    pub desk_heartbeat_seconds: Option<i32>,
}

impl<'a> From<&'a Settings> for SettingsColumns<'a> {
    fn from(settings: &'a Settings) -> Self {
        // What is checked before is smaller than any integer column holds.
        let number = |value: Option<u32>| value.map(|value| i32::try_from(value).unwrap_or(i32::MAX));
        SettingsColumns {
            conversation_text: settings.conversation_text,
            conversation_days: number(settings.conversation_days),
            iadvize_secret: settings.iadvize_secret.as_ref().map(WebhookSecret::reveal),
            desk_lease_seconds: number(settings.desk_lease_seconds),
            desk_heartbeat_seconds: number(settings.desk_heartbeat_seconds),
        }
    }
}

/// A key as stored: without the key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRecord {
    /// Identity.
    pub id: Uuid,
    /// Whose.
    pub tenant: TenantId,
    /// A name for people.
    pub name: String,
    /// The key's visible beginning.
    pub prefix: String,
    /// SHA-256 of the key.
    pub hash: [u8; 32],
    /// What it may do.
    pub scopes: Vec<Scope>,
    /// Since when.
    pub created: Time,
    /// Until when.
    pub revoked: Option<Time>,
}

/// The contents of the registry: equal for equal contents, and only for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RegistryVersion {
    /// Raised by every change.
    pub number: i64,
    /// Random, and made with every change: a store that lost its newest changes may come to the same number again.
    pub epoch: i64,
}

/// Tenants and keys that changed.
#[derive(Debug, Default)]
pub struct RegistryChanges {
    /// Tenants, as they are now.
    pub tenants: Vec<TenantRecord>,
    /// Keys, as they are now, some of them revoked.
    pub keys: Vec<KeyRecord>,
}

/// A key's columns as either backend gives them.
pub(super) struct KeyColumns {
    pub id: Uuid,
    pub tenant: Uuid,
    pub name: String,
    pub prefix: String,
    pub hash: Vec<u8>,
    pub scopes: String,
    pub created: i64,
    pub revoked: Option<i64>,
}

impl KeyColumns {
    pub(super) fn read(self) -> Result<KeyRecord, StoreError> {
        let unreadable = |what: &str| StoreError::Unreadable(format!("key {}: {what}", self.id));
        Ok(KeyRecord {
            hash: self.hash.as_slice().try_into().map_err(|_| unreadable("hash"))?,
            scopes: serde_json::from_str(&self.scopes).map_err(|_| unreadable("scopes"))?,
            id: self.id,
            tenant: TenantId(self.tenant),
            name: self.name,
            prefix: self.prefix,
            created: Time::from_micros(self.created),
            revoked: self.revoked.map(Time::from_micros),
        })
    }
}

/// Scopes as stored; serialising plain names cannot fail.
pub(super) fn scopes_json(scopes: &[Scope]) -> String {
    serde_json::to_string(scopes).unwrap_or_default()
}

impl Store {
    /// Adds a tenant; false if the name is taken.
    pub async fn create_tenant(&self, tenant: &TenantRecord) -> Result<bool, StoreError> {
        on_backend!(self, store => store.create_tenant(tenant).await)
    }

    /// Every tenant, by name.
    pub async fn tenants(&self) -> Result<Vec<TenantRecord>, StoreError> {
        on_backend!(self, store => store.tenants().await)
    }

    /// Changes how things are done for a tenant; false if there is no such tenant.
    pub async fn set_settings(&self, tenant: TenantId, settings: &Settings) -> Result<bool, StoreError> {
        on_backend!(self, store => store.set_settings(tenant, settings).await)
    }

    /// Adds a key; false if there is no such tenant.
    pub async fn create_key(&self, key: &KeyRecord) -> Result<bool, StoreError> {
        on_backend!(self, store => store.create_key(key).await)
    }

    /// Every key of every tenant, revoked ones included, oldest first.
    pub async fn keys(&self) -> Result<Vec<KeyRecord>, StoreError> {
        on_backend!(self, store => store.keys().await)
    }

    /// Every key of one tenant, revoked ones included, oldest first.
    pub async fn keys_of(&self, tenant: TenantId) -> Result<Vec<KeyRecord>, StoreError> {
        on_backend!(self, store => store.keys_of(tenant).await)
    }

    /// The keys that are not revoked, oldest first.
    pub async fn valid_keys(&self) -> Result<Vec<KeyRecord>, StoreError> {
        on_backend!(self, store => store.valid_keys().await)
    }

    /// The tenants and keys that changed after a version, as they are now. `None` where that version is not among the
    /// newest of this store, or a tenant is gone: everything is to be read anew.
    pub async fn registry_changes(&self, since: RegistryVersion) -> Result<Option<RegistryChanges>, StoreError> {
        on_backend!(self, store => store.registry_changes(since).await)
    }

    /// Revokes a tenant's key; false if there is none by that id that is not revoked yet.
    pub async fn revoke_key(&self, tenant: TenantId, key: Uuid, now: Time) -> Result<bool, StoreError> {
        on_backend!(self, store => store.revoke_key(tenant, key, now).await)
    }

    /// What every change of tenants and keys changes.
    pub async fn registry_version(&self) -> Result<RegistryVersion, StoreError> {
        on_backend!(self, store => store.registry_version().await)
    }

    /// SHA-256 of the administrator's token that was made for this store, if one was.
    pub async fn admin_hash(&self) -> Result<Option<Vec<u8>>, StoreError> {
        on_backend!(self, store => store.admin_hash().await)
    }

    /// Keeps SHA-256 of an administrator's token.
    pub async fn set_admin_hash(&self, hash: &[u8; 32]) -> Result<(), StoreError> {
        on_backend!(self, store => store.set_admin_hash(hash).await)
    }
}

//! The registry: tenants with their settings, and their keys.

use std::collections::HashSet;

use uuid::Uuid;

use super::{Store, StoreError, on_backend};
use crate::domain::json::Field;
use crate::domain::settings::{Settings, SettingsPatch, WebhookSecret};
use crate::domain::{Scope, TenantId, Time};

/// A stored tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TenantRecord {
    /// The tenant's id.
    pub id: TenantId,
    /// The name, unique in the store.
    pub name: String,
    /// Time of creation.
    pub created: Time,
    /// The tenant's settings.
    pub settings: Settings,
}

/// A tenant's columns, as either backend reads them.
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

/// A tenant's settings as columns, as either backend writes them.
pub(super) struct SettingsColumns<'a> {
    pub conversation_text: bool,
    pub conversation_days: Option<i32>,
    pub iadvize_secret: Option<&'a str>,
    pub desk_lease_seconds: Option<i32>,
    pub desk_heartbeat_seconds: Option<i32>,
}

impl<'a> From<&'a Settings> for SettingsColumns<'a> {
    fn from(settings: &'a Settings) -> Self {
        SettingsColumns {
            conversation_text: settings.conversation_text,
            conversation_days: settings.conversation_days.map(number),
            iadvize_secret: settings.iadvize_secret.as_ref().map(WebhookSecret::reveal),
            desk_lease_seconds: settings.desk_lease_seconds.map(number),
            desk_heartbeat_seconds: settings.desk_heartbeat_seconds.map(number),
        }
    }
}

/// Changes to settings as columns, as either backend writes them. The outer `None` leaves a column as it is, the inner
/// one clears it.
pub(super) struct PatchColumns<'a> {
    pub conversation_text: Option<bool>,
    pub conversation_days: Option<Option<i32>>,
    pub iadvize_secret: Option<Option<&'a str>>,
    pub desk_lease_seconds: Option<Option<i32>>,
    pub desk_heartbeat_seconds: Option<Option<i32>>,
}

impl<'a> From<&'a SettingsPatch> for PatchColumns<'a> {
    fn from(patch: &'a SettingsPatch) -> Self {
        fn column<T, C>(field: &'_ Field<T>, read: impl FnOnce(&T) -> C) -> Option<Option<C>> {
            (!field.is_absent()).then(|| field.value().map(read))
        }
        let text = &patch.conversation_text;
        let secret = &patch.iadvize_secret;
        PatchColumns {
            // Cleared, it is false again.
            conversation_text: (!text.is_absent()).then(|| text.value().copied().unwrap_or_default()),
            conversation_days: column(&patch.conversation_days, |days| number(*days)),
            iadvize_secret: (!secret.is_absent()).then(|| secret.value().map(WebhookSecret::reveal)),
            desk_lease_seconds: column(&patch.desk_lease_seconds, |seconds| number(*seconds)),
            desk_heartbeat_seconds: column(&patch.desk_heartbeat_seconds, |seconds| number(*seconds)),
        }
    }
}

/// Returns a setting as an integer column. Settings were checked before: none exceeds it.
pub(super) fn number(value: u32) -> i32 {
    i32::try_from(value).unwrap_or(i32::MAX)
}

/// A stored key. The secret itself is not stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRecord {
    /// The key's id.
    pub id: Uuid,
    /// The tenant that the key belongs to.
    pub tenant: TenantId,
    /// A name for people.
    pub name: String,
    /// The first characters of the secret, which may be shown.
    pub prefix: String,
    /// SHA-256 of the secret.
    pub hash: [u8; 32],
    /// The scopes it grants.
    pub scopes: Vec<Scope>,
    /// Time of creation.
    pub created: Time,
    /// Time of revocation; `None` while the key is valid.
    pub revoked: Option<Time>,
}

/// A version of the registry. Equal versions mean equal contents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RegistryVersion {
    /// Incremented by every change.
    pub number: i64,
    /// Random, and set anew by every change: a store that lost its newest changes may reach the same number again.
    pub epoch: i64,
}

/// The changed part of the registry.
#[derive(Debug, Default)]
pub struct RegistryChanges {
    /// The changed tenants, as they are now.
    pub tenants: Vec<TenantRecord>,
    /// The changed keys, as they are now, revoked ones included.
    pub keys: Vec<KeyRecord>,
    /// The changed tenants that were deleted, whose keys are invalid.
    pub deleted: Vec<TenantId>,
    /// SHA-256 of the tokens that were revoked.
    pub revoked: Vec<[u8; 32]>,
}

impl RegistryChanges {
    /// Notes the tenants among `changed` that are not in [`RegistryChanges::tenants`] as deleted.
    pub(super) fn note_deleted(&mut self, mut changed: HashSet<TenantId>) {
        for tenant in &self.tenants {
            changed.remove(&tenant.id);
        }
        self.deleted = changed.into_iter().collect();
    }
}

/// A key's columns, as either backend reads them.
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

/// Serialises scopes for storage. Serialising plain names cannot fail.
pub(super) fn scopes_json(scopes: &[Scope]) -> String {
    serde_json::to_string(scopes).unwrap_or_default()
}

impl Store {
    /// Adds a tenant and its head in the journal. Returns false if the name or the id is taken.
    pub async fn create_tenant(&self, tenant: &TenantRecord) -> Result<bool, StoreError> {
        on_backend!(self, store => store.create_tenant(tenant).await)
    }

    /// Returns up to `limit` tenants with ids above `after`, by id.
    pub async fn tenants_after(&self, after: TenantId, limit: u32) -> Result<Vec<TenantRecord>, StoreError> {
        on_backend!(self, store => store.tenants_after(after, limit).await)
    }

    /// Returns every tenant, by name.
    pub async fn tenants(&self) -> Result<Vec<TenantRecord>, StoreError> {
        on_backend!(self, store => store.tenants().await)
    }

    /// Returns a tenant; `None` for an unknown one.
    pub async fn tenant(&self, tenant: TenantId) -> Result<Option<TenantRecord>, StoreError> {
        on_backend!(self, store => store.tenant(tenant).await)
    }

    /// Changes a tenant's settings, by one statement that reads, decides and writes: of two concurrent changes neither
    /// undoes the other. Returns the tenant after the change. `None`, and nothing changes, for an unknown tenant, and if
    /// the terms of desks are among the changes and [`Settings::check`] would reject the result; `usual_lease` is the
    /// service's own lease, in seconds.
    pub async fn change_settings(
        &self,
        tenant: TenantId,
        patch: &SettingsPatch,
        usual_lease: u32,
    ) -> Result<Option<TenantRecord>, StoreError> {
        on_backend!(self, store => store.change_settings(tenant, patch, usual_lease).await)
    }

    /// Adds a key. Returns false for an unknown tenant.
    pub async fn create_key(&self, key: &KeyRecord) -> Result<bool, StoreError> {
        on_backend!(self, store => store.create_key(key).await)
    }

    /// Returns every key of every tenant, revoked ones included, oldest first.
    pub async fn keys(&self) -> Result<Vec<KeyRecord>, StoreError> {
        on_backend!(self, store => store.keys().await)
    }

    /// Returns every key of one tenant, revoked ones included, oldest first.
    pub async fn keys_of(&self, tenant: TenantId) -> Result<Vec<KeyRecord>, StoreError> {
        on_backend!(self, store => store.keys_of(tenant).await)
    }

    /// Returns the keys of all tenants that are not revoked, oldest first.
    pub async fn valid_keys(&self) -> Result<Vec<KeyRecord>, StoreError> {
        on_backend!(self, store => store.valid_keys().await)
    }

    /// Returns the tenants and keys that changed after a version, as they are now. `None` if the version is not among
    /// the last thousand of this store, or a tenant that changed since has no row any more: the registry must be read as
    /// a whole then.
    pub async fn registry_changes(&self, since: RegistryVersion) -> Result<Option<RegistryChanges>, StoreError> {
        on_backend!(self, store => store.registry_changes(since).await)
    }

    /// Revokes a tenant's key. Returns false if the tenant has no valid key of that id.
    pub async fn revoke_key(&self, tenant: TenantId, key: Uuid, now: Time) -> Result<bool, StoreError> {
        on_backend!(self, store => store.revoke_key(tenant, key, now).await)
    }

    /// Returns the registry's version, which every change of a tenant or key and every revocation of
    /// tokens changes.
    pub async fn registry_version(&self) -> Result<RegistryVersion, StoreError> {
        on_backend!(self, store => store.registry_version().await)
    }

    /// Returns SHA-256 of the administrator's token that was generated for this store, if one was.
    pub async fn admin_hash(&self) -> Result<Option<Vec<u8>>, StoreError> {
        on_backend!(self, store => store.admin_hash().await)
    }

    /// Stores SHA-256 of the administrator's token, in place of any before.
    pub async fn set_admin_hash(&self, hash: &[u8; 32]) -> Result<(), StoreError> {
        on_backend!(self, store => store.set_admin_hash(hash).await)
    }
}

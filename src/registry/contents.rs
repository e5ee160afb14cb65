//! One version of the registry.

use rpds::HashTrieMapSync;
use uuid::Uuid;

use crate::domain::{Scopes, Settings, TenantId};
use crate::store::{RegistryChanges, RegistryVersion, Store, StoreError};

/// A key that is not revoked.
#[derive(Clone, Copy, Debug)]
pub struct ValidKey {
    /// The key's id.
    pub id: Uuid,
    /// The tenant that the key belongs to.
    pub tenant: TenantId,
    /// The scopes it grants.
    pub scopes: Scopes,
}

/// The store's keys that are not revoked, and all tenants with their settings. In persistent maps, so that the cost of a
/// change does not depend on the number of keys.
#[derive(Clone, Debug)]
pub struct Contents {
    pub(super) version: RegistryVersion,
    by_hash: HashTrieMapSync<[u8; 32], ValidKey>,
    /// The hash of each key, by the key's id.
    ids: HashTrieMapSync<Uuid, [u8; 32]>,
    settings: HashTrieMapSync<TenantId, Settings>,
}

impl Contents {
    /// The valid key with this hash.
    pub fn key(&self, hash: &[u8; 32]) -> Option<ValidKey> {
        self.by_hash.get(hash).copied()
    }

    /// Returns true if the key with this id is valid.
    pub fn has_key(&self, id: Uuid) -> bool {
        self.ids.contains_key(&id)
    }

    /// The scopes of the valid key with this id; `None` if there is none.
    pub fn scopes_of(&self, id: Uuid) -> Option<Scopes> {
        self.key(self.ids.get(&id)?).map(|key| key.scopes)
    }

    /// Returns true if the tenant exists.
    pub fn has_tenant(&self, tenant: TenantId) -> bool {
        self.settings.contains_key(&tenant)
    }

    /// The tenants that are here and not in `newer`.
    pub(super) fn tenants_without(&self, newer: &Contents) -> Vec<TenantId> {
        self.settings.keys().filter(|tenant| !newer.has_tenant(**tenant)).copied().collect()
    }

    /// The number of valid keys.
    pub fn keys(&self) -> usize {
        self.ids.size()
    }

    /// The settings of a tenant; the default if it is unknown.
    pub fn settings(&self, tenant: TenantId) -> Settings {
        self.settings.get(&tenant).cloned().unwrap_or_default()
    }

    /// Reads the whole registry.
    pub(super) async fn read(store: &Store) -> Result<Self, StoreError> {
        // The version is read first: a change between the reads is then read again at the next poll instead of being
        // missed.
        let version = store.registry_version().await?;
        let empty = Contents {
            version,
            by_hash: HashTrieMapSync::default(),
            ids: HashTrieMapSync::default(),
            settings: HashTrieMapSync::default(),
        };
        let (keys, tenants) = (store.valid_keys().await?, store.tenants().await?);
        Ok(empty.with(version, &RegistryChanges { tenants, keys, ..RegistryChanges::default() }))
    }

    /// Returns the contents with `changes` applied. The cost of a deleted tenant grows with the number of all keys.
    pub(super) fn with(&self, version: RegistryVersion, changes: &RegistryChanges) -> Self {
        let mut after = Contents { version, ..self.clone() };
        for tenant in &changes.tenants {
            after.settings.insert_mut(tenant.id, tenant.settings.clone());
        }
        if !changes.deleted.is_empty() {
            for tenant in &changes.deleted {
                after.settings.remove_mut(tenant);
            }
            let of_deleted = self.by_hash.iter().filter(|(_, key)| changes.deleted.contains(&key.tenant));
            for (hash, key) in of_deleted {
                after.ids.remove_mut(&key.id);
                after.by_hash.remove_mut(hash);
            }
        }
        for key in &changes.keys {
            // A key that was added while its tenant was being deleted is not valid.
            if key.revoked.is_none() && after.has_tenant(key.tenant) {
                after.ids.insert_mut(key.id, key.hash);
                let scopes = key.scopes.iter().copied().collect();
                after.by_hash.insert_mut(key.hash, ValidKey { id: key.id, tenant: key.tenant, scopes });
            } else {
                after.ids.remove_mut(&key.id);
                after.by_hash.remove_mut(&key.hash);
            }
        }
        after
    }
}

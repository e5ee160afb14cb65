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

/// The store's keys that are not revoked, and the settings of all tenants. In persistent maps, so that the cost of a
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
        Ok(empty.with(version, RegistryChanges { tenants, keys }))
    }

    /// Returns the contents with `changes` applied.
    pub(super) fn with(&self, version: RegistryVersion, changes: RegistryChanges) -> Self {
        let mut after = Contents { version, ..self.clone() };
        for key in changes.keys {
            if key.revoked.is_some() {
                after.ids.remove_mut(&key.id);
                after.by_hash.remove_mut(&key.hash);
            } else {
                after.ids.insert_mut(key.id, key.hash);
                let valid = ValidKey { id: key.id, tenant: key.tenant, scopes: key.scopes.into_iter().collect() };
                after.by_hash.insert_mut(key.hash, valid);
            }
        }
        for tenant in changes.tenants {
            after.settings.insert_mut(tenant.id, tenant.settings);
        }
        after
    }
}

//! Credentials in memory, found by the hash of their token.

use std::collections::HashSet;

use crate::domain::{TenantId, Time};

/// A credential with a tenant and an end.
pub trait Held: Clone {
    /// The tenant that it belongs to.
    fn tenant(&self) -> TenantId;

    /// The time from which it is invalid.
    fn expires(&self) -> Time;
}

/// Credentials of one kind. They may include expired ones until these are purged.
#[derive(Debug)]
pub struct ByHash<V>(pub(super) papaya::HashMap<[u8; 32], V>);

// Not derived, which would need a default of `V`.
impl<V> Default for ByHash<V> {
    fn default() -> Self {
        ByHash(papaya::HashMap::default())
    }
}

impl<V: Held> ByHash<V> {
    /// The credential with this hash, unless it has expired by `now`.
    pub fn find(&self, hash: &[u8; 32], now: Time) -> Option<V> {
        self.0.pin().get(hash).filter(|held| now < held.expires()).cloned()
    }

    /// The hashes of all credentials in memory.
    pub(super) fn hashes(&self) -> Vec<[u8; 32]> {
        self.0.pin().keys().copied().collect()
    }

    /// Removes a credential; returns its tenant if it was in memory.
    pub fn remove(&self, hash: &[u8; 32]) -> Option<TenantId> {
        self.0.pin().remove(hash).map(Held::tenant)
    }

    /// Removes the credentials with these hashes that are not among `kept`.
    pub(super) fn remove_others(&self, of: &[[u8; 32]], kept: impl Iterator<Item = [u8; 32]>) {
        let kept: HashSet<[u8; 32]> = kept.collect();
        for hash in of.iter().filter(|hash| !kept.contains(*hash)) {
            self.remove(hash);
        }
    }

    /// Removes every credential of a tenant.
    pub(super) fn remove_all(&self, tenant: TenantId) {
        self.0.pin().retain(|_, held| held.tenant() != tenant);
    }

    /// Removes the credentials that have expired by `now`.
    pub fn purge(&self, now: Time) {
        self.0.pin().retain(|_, held| now < held.expires());
    }
}

//! Links to wallboards in memory, found by the hash of their token: those that were presented here. The store holds all.

use std::collections::HashSet;

use crate::domain::{TenantId, Time};
use crate::store::LinkRecord;

/// The links in memory. They may include expired ones until these are purged.
#[derive(Debug, Default)]
pub struct Links(papaya::HashMap<[u8; 32], LinkRecord>);

impl Links {
    /// Adds a link.
    pub(super) fn insert(&self, link: LinkRecord) {
        self.0.pin().insert(link.hash, link);
    }

    /// The link with this hash, unless it has expired by `now`.
    pub fn find(&self, hash: &[u8; 32], now: Time) -> Option<LinkRecord> {
        self.0.pin().get(hash).filter(|link| now < link.expires).cloned()
    }

    /// Notes the time of a connection with a link.
    pub fn see(&self, hash: &[u8; 32], now: Time) {
        self.0.pin().update(*hash, |link| LinkRecord { seen: Some(now), ..link.clone() });
    }

    /// The hashes of all links in memory.
    pub(super) fn hashes(&self) -> Vec<[u8; 32]> {
        self.0.pin().keys().copied().collect()
    }

    /// Removes a link; returns its tenant if it was in memory.
    pub(super) fn remove(&self, hash: &[u8; 32]) -> Option<TenantId> {
        self.0.pin().remove(hash).map(|link| link.tenant)
    }

    /// Removes the links with these hashes that are not among `kept`.
    pub(super) fn remove_others(&self, of: &[[u8; 32]], kept: &[LinkRecord]) {
        let kept: HashSet<[u8; 32]> = kept.iter().map(|link| link.hash).collect();
        of.iter().filter(|hash| !kept.contains(*hash)).for_each(|hash| {
            let _tenant = self.remove(hash);
        });
    }

    /// Removes every link of a tenant.
    pub(super) fn remove_all(&self, tenant: TenantId) {
        self.0.pin().retain(|_, link| link.tenant != tenant);
    }

    /// Removes the links that have expired by `now`.
    pub fn purge(&self, now: Time) {
        self.0.pin().retain(|_, link| now < link.expires);
    }
}

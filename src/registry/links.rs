//! Links to wallboards in memory, found by the hash of their token: those that were presented here. The store holds all.

use super::by_hash::{ByHash, Held};
use crate::domain::{TenantId, Time};
use crate::store::LinkRecord;

/// The links in memory. They may include expired ones until these are purged.
pub type Links = ByHash<LinkRecord>;

impl Held for LinkRecord {
    fn tenant(&self) -> TenantId {
        self.tenant
    }

    fn expires(&self) -> Time {
        self.expires
    }
}

impl ByHash<LinkRecord> {
    /// Adds a link.
    pub(super) fn insert(&self, link: LinkRecord) {
        self.0.pin().insert(link.hash, link);
    }

    /// Notes the time of a connection with a link.
    pub fn see(&self, hash: &[u8; 32], now: Time) {
        self.0.pin().update(*hash, |link| LinkRecord { seen: Some(now), ..link.clone() });
    }
}

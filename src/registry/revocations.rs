//! Announces that credentials of a tenant became invalid, to the connections that were opened with one.

use std::sync::Arc;

use tokio::sync::watch;

use crate::domain::TenantId;

/// The announcements of all tenants. Clones share them.
///
/// They are kept by tenant, so that a tenant that revokes many tokens wakes no connection of another.
#[derive(Clone, Debug, Default)]
pub struct Revocations(Arc<papaya::HashMap<TenantId, watch::Sender<()>>>);

impl Revocations {
    /// Returns a receiver that is changed whenever a credential of the tenant may have become invalid from now on. To
    /// miss nothing, a credential is checked once more after this was called.
    pub fn of(&self, tenant: TenantId) -> watch::Receiver<()> {
        self.0.pin().get_or_insert_with(tenant, || watch::Sender::new(())).subscribe()
    }

    /// Announces that a credential of the tenant was revoked. It must be invalid already.
    pub fn announce(&self, tenant: TenantId) {
        if let Some(sender) = self.0.pin().get(&tenant) {
            sender.send_replace(());
        }
    }

    /// Announces that credentials of any tenant may have been revoked.
    pub(super) fn announce_all(&self) {
        for sender in self.0.pin().values() {
            sender.send_replace(());
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn announcements_reach_their_tenant_only() {
        let revocations = Revocations::default();
        let tenants = [1, 2].map(|n| TenantId(Uuid::from_u128(n)));
        revocations.announce(tenants[0]);
        let receivers = tenants.map(|tenant| revocations.of(tenant));
        let changed = |receivers: &[watch::Receiver<()>; 2]| receivers.each_ref().map(|one| one.has_changed().unwrap());
        assert_eq!(changed(&receivers), [false, false], "what was announced before needs no second check");
        revocations.announce(tenants[0]);
        assert_eq!(changed(&receivers), [true, false]);
        revocations.announce_all();
        assert_eq!(changed(&receivers), [true, true]);
    }
}

//! The newest view of every tenant, each behind an atomic pointer, so that readers take no lock.

use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::sync::watch;

use crate::domain::TenantId;
use crate::live::Directory;
use crate::live::View;
use crate::live::conversations::Conversations;
use crate::live::count::index::Index;
use crate::live::details::Details;

/// One tenant's newest view, and a channel of its position for reads that wait for one.
#[derive(Debug)]
pub struct TenantView {
    view: ArcSwap<View>,
    position: watch::Sender<u64>,
}

impl TenantView {
    /// Returns the newest view.
    pub fn view(&self) -> Arc<View> {
        self.view.load_full()
    }

    /// Subscribes to changes of the position.
    pub fn positions(&self) -> watch::Receiver<u64> {
        self.position.subscribe()
    }

    /// Replaces the view by a newer one.
    pub fn publish(&self, view: Arc<View>) {
        let position = view.position();
        // The view is stored first: a reader that the new position wakes must find it.
        self.view.store(view);
        self.position.send_replace(position);
    }
}

/// The views of all tenants, and the tenants in quarantine, which have none.
#[derive(Debug, Default)]
pub struct Views {
    tenants: papaya::HashMap<TenantId, Arc<TenantView>>,
    quarantined: papaya::HashMap<TenantId, ()>,
}

impl Views {
    /// Returns a tenant's view. A tenant without one gets an empty view at position 0.
    pub fn tenant(&self, tenant: TenantId) -> Arc<TenantView> {
        let tenants = self.tenants.pin();
        let empty = || {
            let (index, details) = (Index::default(), Details::default());
            let view = View::new(0, Arc::new(Directory::new(tenant)), index, details, Conversations::default());
            Arc::new(TenantView { view: ArcSwap::from_pointee(view), position: watch::Sender::new(0) })
        };
        tenants.get_or_insert_with(tenant, empty).clone()
    }

    /// Returns every tenant with its newest view.
    pub fn all(&self) -> Vec<(TenantId, Arc<View>)> {
        self.tenants.pin().iter().map(|(tenant, shown)| (*tenant, shown.view())).collect()
    }

    /// Takes a tenant out of service and drops its view, which may be wrong: a wrong number is worse than none.
    pub fn quarantine(&self, tenant: TenantId) {
        // Marked first: a request that arrives in between is rejected, and not answered from a new, empty view.
        self.quarantined.pin().insert(tenant, ());
        self.tenants.pin().remove(&tenant);
    }

    /// Returns true if the tenant is out of service.
    pub fn is_quarantined(&self, tenant: TenantId) -> bool {
        self.quarantined.pin().contains_key(&tenant)
    }
}

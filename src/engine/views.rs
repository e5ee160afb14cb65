//! The newest view of every tenant, each behind an atomic pointer, so that readers take no lock.

use std::sync::Arc;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use tokio::sync::watch;
use uuid::Uuid;

use super::replay::Tail;
use crate::domain::{Fault, TenantId};
use crate::live::Directory;
use crate::live::View;
use crate::live::conversations::Conversations;
use crate::live::count::index::Index;
use crate::live::details::Details;

/// The reason with which requests to a tenant in quarantine are rejected.
pub(super) const OUT_OF_SERVICE: &str = "the tenant is out of service: its stored state cannot be read";

/// The reason why a tenant is not served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Absence {
    /// Its stored state cannot be read.
    Quarantined,
    /// It was deleted. Remembered until the process ends, since requests that began before may still name the tenant;
    /// its id is never used again.
    Deleted,
}

/// One tenant's newest view, and a channel of its position for reads that wait for one.
#[derive(Debug)]
pub struct TenantView {
    view: ArcSwap<View>,
    position: watch::Sender<u64>,
    /// The newest entry in the view.
    tail: Mutex<Tail>,
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

    /// Returns the newest entry in the view.
    pub fn tail(&self) -> Tail {
        *self.tail.lock()
    }

    /// Replaces the view by a newer one, whose last entry was appended by `batch`, if known.
    pub fn publish(&self, view: Arc<View>, batch: Option<Uuid>) {
        let position = view.position();
        *self.tail.lock() = Tail { seq: position, batch };
        // The view is stored first: a reader that the new position wakes must find it.
        self.view.store(view);
        self.position.send_replace(position);
    }
}

/// The views of all tenants, and the tenants that are not served, which have none.
#[derive(Debug, Default)]
pub struct Views {
    tenants: papaya::HashMap<TenantId, Arc<TenantView>>,
    absent: papaya::HashMap<TenantId, Absence>,
}

impl Views {
    /// Returns a tenant's view. A tenant without one gets an empty view at position 0; that of a tenant that is not served
    /// is not kept.
    pub fn tenant(&self, tenant: TenantId) -> Arc<TenantView> {
        let tenants = self.tenants.pin();
        let empty = || {
            let (index, details) = (Index::default(), Details::default());
            let view = View::new(0, Arc::new(Directory::new(tenant)), index, details, Conversations::default());
            let (view, tail) = (ArcSwap::from_pointee(view), Mutex::default());
            Arc::new(TenantView { view, position: watch::Sender::new(0), tail })
        };
        let view = tenants.get_or_insert_with(tenant, empty).clone();
        // Looked up after the insertion: a tenant that is taken out of service meanwhile is marked before its view is
        // removed.
        if self.is_absent(tenant) {
            tenants.remove(&tenant);
        }
        view
    }

    /// Returns the newest entry in a tenant's view; position 0 without a view.
    pub fn tail(&self, tenant: TenantId) -> Tail {
        self.tenants.pin().get(&tenant).map(|shown| shown.tail()).unwrap_or_default()
    }

    /// Returns every tenant with the newest entry in its view.
    pub fn tails(&self) -> Vec<(TenantId, Tail)> {
        self.tenants.pin().iter().map(|(tenant, shown)| (*tenant, shown.tail())).collect()
    }

    /// Returns every tenant with its newest view.
    pub fn all(&self) -> Vec<(TenantId, Arc<View>)> {
        self.tenants.pin().iter().map(|(tenant, shown)| (*tenant, shown.view())).collect()
    }

    /// Takes a tenant out of service and drops its view, which may be wrong: a wrong number is worse than none.
    pub fn quarantine(&self, tenant: TenantId) {
        // Marked first: a request that arrives in between is rejected, and not answered from a new, empty view.
        self.absent.pin().get_or_insert(tenant, Absence::Quarantined);
        self.tenants.pin().remove(&tenant);
    }

    /// Drops the view of a deleted tenant. Returns true if the tenant was in quarantine.
    pub fn delete(&self, tenant: TenantId) -> bool {
        let was_quarantined = self.absent.pin().insert(tenant, Absence::Deleted) == Some(&Absence::Quarantined);
        self.tenants.pin().remove(&tenant);
        was_quarantined
    }

    /// Returns true if the tenant is in quarantine.
    pub fn is_quarantined(&self, tenant: TenantId) -> bool {
        self.absent.pin().get(&tenant) == Some(&Absence::Quarantined)
    }

    /// Returns true if the tenant is in quarantine or was deleted.
    pub fn is_absent(&self, tenant: TenantId) -> bool {
        self.absent.pin().contains_key(&tenant)
    }

    /// Rejects requests to a tenant that is not served: with [`Fault::Unavailable`] in quarantine, and with
    /// [`Fault::CredentialInvalid`] after its deletion.
    pub fn reject_absent(&self, tenant: TenantId) -> Result<(), Fault> {
        match self.absent.pin().get(&tenant) {
            None => Ok(()),
            Some(Absence::Quarantined) => Err(Fault::Unavailable(OUT_OF_SERVICE)),
            Some(Absence::Deleted) => Err(Fault::CredentialInvalid),
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_deleted_tenant_has_no_view_and_stays_deleted() {
        let (views, tenant) = (Views::default(), TenantId(Uuid::nil()));
        let before = views.tenant(tenant);
        assert_eq!((views.all().len(), views.reject_absent(tenant)), (1, Ok(())));
        assert!(!views.delete(tenant), "it was in service");
        views.quarantine(tenant);
        assert_eq!(views.reject_absent(tenant), Err(Fault::CredentialInvalid));
        assert!(!Arc::ptr_eq(&before, &views.tenant(tenant)));
        assert!(views.all().is_empty(), "a request that began before leaves nothing behind");
    }

    #[test]
    fn a_tenant_in_quarantine_can_be_deleted() {
        let (views, tenant) = (Views::default(), TenantId(Uuid::nil()));
        views.quarantine(tenant);
        assert_eq!(views.reject_absent(tenant), Err(Fault::Unavailable(OUT_OF_SERVICE)));
        assert!(views.is_quarantined(tenant) && views.delete(tenant));
        assert!(views.is_absent(tenant) && !views.is_quarantined(tenant));
    }
}

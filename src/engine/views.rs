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

/// The reason with which requests to a tenant of an older release are rejected.
pub(super) const UNSETTLED: &str =
    "the tenant is not settled by the older release that wrote its journal (rollcall settle)";

/// The reason with which requests to a tenant of a newer release are rejected.
pub(super) const NEWER: &str = "the tenant's journal is of a newer release than this server's";

/// The reason why a tenant is not served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Absence {
    /// Its stored state cannot be read.
    Quarantined,
    /// Its entries are of an older apply version, and a stored checkpoint does not have all of them yet.
    Unsettled,
    /// Its entries are of a newer apply version.
    Newer,
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

    /// Takes a tenant out of service whose entries are of another apply version, newer than ours or older. Returns true
    /// unless it was out of service already.
    pub fn unsettle(&self, tenant: TenantId, is_newer: bool) -> bool {
        let absence = if is_newer { Absence::Newer } else { Absence::Unsettled };
        let is_marked = self.absent.pin().try_insert(tenant, absence).is_ok();
        self.tenants.pin().remove(&tenant);
        is_marked
    }

    /// Puts a tenant of an older release into service again, whose view is published next. Returns false if it is out of
    /// service for another reason.
    pub fn settle(&self, tenant: TenantId) -> bool {
        let absent = self.absent.pin();
        let settled = absent.remove_if(&tenant, |_, absence| *absence == Absence::Unsettled);
        settled.is_ok_and(|removed| removed.is_some())
    }

    /// Returns the tenants that an older release has not settled.
    pub fn unsettled(&self) -> Vec<TenantId> {
        let absent = self.absent.pin();
        absent.iter().filter(|(_, absence)| **absence == Absence::Unsettled).map(|(tenant, _)| *tenant).collect()
    }

    /// Returns the number of tenants that are out of service since their entries are of another apply version.
    pub fn of_other_versions(&self) -> usize {
        let is_other = |absence: &Absence| matches!(absence, Absence::Unsettled | Absence::Newer);
        self.absent.pin().values().filter(|absence| is_other(absence)).count()
    }

    /// Drops the view of a deleted tenant. Returns true if the tenant was in quarantine.
    pub fn delete(&self, tenant: TenantId) -> bool {
        let was_quarantined = self.absent.pin().insert(tenant, Absence::Deleted) == Some(&Absence::Quarantined);
        self.tenants.pin().remove(&tenant);
        was_quarantined
    }

    /// Returns the reason why a tenant is out of service; `None` if it is served or was deleted.
    pub fn out_of_service(&self, tenant: TenantId) -> Option<&'static str> {
        match self.absent.pin().get(&tenant)? {
            Absence::Quarantined => Some(OUT_OF_SERVICE),
            Absence::Unsettled => Some(UNSETTLED),
            Absence::Newer => Some(NEWER),
            Absence::Deleted => None,
        }
    }

    /// Returns true if the tenant is not served: it is in quarantine, of another release, or was deleted.
    pub fn is_absent(&self, tenant: TenantId) -> bool {
        self.absent.pin().contains_key(&tenant)
    }

    /// Rejects requests to a tenant that is not served: with [`Fault::CredentialInvalid`] after its deletion, and otherwise
    /// with [`Fault::Unavailable`].
    pub fn reject_absent(&self, tenant: TenantId) -> Result<(), Fault> {
        match self.out_of_service(tenant) {
            Some(reason) => Err(Fault::Unavailable(reason)),
            None if self.is_absent(tenant) => Err(Fault::CredentialInvalid),
            None => Ok(()),
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
        assert!(views.out_of_service(tenant).is_some() && views.delete(tenant));
        assert!(views.is_absent(tenant) && views.out_of_service(tenant).is_none());
    }

    #[test]
    fn a_tenant_of_another_release_comes_back_once_it_is_settled() {
        let (views, older, newer) = (Views::default(), TenantId(Uuid::from_u128(1)), TenantId(Uuid::from_u128(2)));
        let faulty = TenantId(Uuid::from_u128(3));
        views.quarantine(faulty);
        assert!(views.unsettle(older, false) && views.unsettle(newer, true) && !views.unsettle(faulty, false));
        assert_eq!((views.unsettled(), views.of_other_versions()), (vec![older], 2));
        assert_eq!(views.reject_absent(older), Err(Fault::Unavailable(UNSETTLED)));
        assert_eq!(views.reject_absent(newer), Err(Fault::Unavailable(NEWER)));
        assert!(views.settle(older) && !views.settle(newer) && !views.settle(faulty));
        assert_eq!((views.reject_absent(older), views.of_other_versions()), (Ok(()), 1));
    }
}

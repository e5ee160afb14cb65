//! Where reads come from: one immutable view a request, and how fresh it is.

use std::sync::Arc;
use std::time::Duration;

use super::health::Health;
use super::views::Views;
use crate::clock::Clock;
use crate::domain::directory::{Document, Problem};
use crate::domain::{Fault, TenantId, Time};
use crate::live::View;
use crate::live::directory::Upsert;

/// How long a read waits for the position it asks for.
const PATIENCE: Duration = Duration::from_millis(250);

/// What one request reads: every number in its answer comes from here.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// The tenant at one position.
    pub view: Arc<View>,
    /// For how long the store has not confirmed it, in milliseconds.
    pub staleness_ms: u64,
}

impl Snapshot {
    /// Returns the problems that the document would have with the directory as it is now. A long document takes
    /// milliseconds: it must not be tried where other requests are answered.
    pub fn try_document(&self, document: &Document) -> Result<(), Vec<Problem>> {
        let mut upsert = Upsert::new(self.view.directory(), Time::NEVER);
        let mut steps = usize::MAX;
        while !upsert.advance(document, &mut steps) {}
        upsert.finish().map(|_| ())
    }
}

/// A handle for reading.
#[derive(Clone, Debug)]
pub struct Reader {
    views: Arc<Views>,
    health: Arc<Health>,
    clock: Clock,
}

impl Reader {
    pub(super) fn new(views: Arc<Views>, health: Arc<Health>, clock: Clock) -> Self {
        Reader { views, health, clock }
    }

    /// The tenant as it is now. Never waits.
    pub fn snapshot(&self, tenant: TenantId) -> Snapshot {
        Snapshot { view: self.views.tenant(tenant).view(), staleness_ms: self.health.staleness_ms() }
    }

    /// The tenant at `position` or later; waits a little for it.
    pub async fn snapshot_at(&self, tenant: TenantId, position: u64) -> Result<Snapshot, Fault> {
        let mut positions = self.views.tenant(tenant).positions();
        tokio::select! {
            biased;
            _ = positions.wait_for(|now| *now >= position) => Ok(self.snapshot(tenant)),
            () = self.clock.sleep(PATIENCE) => Err(Fault::Unavailable("the position asked for was not reached")),
        }
    }

    /// Whether the tenant is out of service: nothing can be said of it.
    pub fn is_quarantined(&self, tenant: TenantId) -> bool {
        self.views.is_quarantined(tenant)
    }

    /// Whether the service is current.
    pub fn health(&self) -> &Health {
        &self.health
    }

    /// Every tenant that anything happened to, as it is now.
    pub fn all(&self) -> Vec<(TenantId, Arc<View>)> {
        self.views.all()
    }
}

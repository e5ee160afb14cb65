//! Following the entries that other servers append to the same database (docs/decisions/0105-following.md).
//!
//! A task of its own looks at the heads of all tenants four times a second, and at some of them at once when another server
//! notifies of new entries or a reader waits for a position. It reads the entries beyond the engine's states and hands
//! them over in pieces. The engine applies and publishes them as its own: a document takes turns, and entries that the
//! engine has by then, since it appended after them, are dropped.

mod announcer;
mod confirmations;
mod feed;
mod follower;
mod wanted;

use std::collections::{HashMap, VecDeque};
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::views::Views;
use crate::domain::{Fault, TenantId};
use crate::journal::{Journal, Signals};
use crate::lifecycle::Lifecycle;
use announcer::Announcements;
pub(super) use confirmations::Confirmations;
pub(super) use feed::{Delivery, Feed, Reloaded};
use follower::Follower;
pub(super) use follower::FollowerParts;
use wanted::Wanted;

/// The longest wait for the newest state: one second, less 100 ms for the response, as for events.
const CATCH_UP_TIMEOUT: Duration = Duration::from_millis(900);
/// This server's newest batches that are remembered: more than one append sends, unless the store rejects their content.
const OWN_BATCHES: usize = 64;

/// The batches that this server sent last. The engine brings itself to a head that ends with one of them.
#[derive(Debug, Default)]
struct OwnBatches(Mutex<VecDeque<Uuid>>);

impl OwnBatches {
    fn add(&self, batch: Uuid) {
        let mut batches = self.0.lock();
        if batches.len() >= OWN_BATCHES {
            batches.pop_front();
        }
        batches.push_back(batch);
    }

    fn contains(&self, batch: Uuid) -> bool {
        self.0.lock().contains(&batch)
    }
}

/// The parts that engine, reader and follower share. A clone shares them.
#[derive(Clone, Debug, Default)]
pub(super) struct Links {
    /// Entries for the engine.
    pub feed: Arc<Feed>,
    wanted: Arc<Wanted>,
    own: Arc<OwnBatches>,
    announcements: Arc<Announcements>,
    /// False if no other server has a row: there is none to notify.
    has_others: Arc<AtomicBool>,
    /// Tenants whose states have entries that the store lost, and how that was noticed.
    lost: Arc<Mutex<HashMap<TenantId, String>>>,
    /// The confirmed looks at the heads; `None` if no other server can append.
    pub confirmations: Option<Arc<Confirmations>>,
}

impl Links {
    /// Of a server that shares its store, whose looks are noted here, or of one that does not.
    pub fn new(confirmations: Option<Arc<Confirmations>>) -> Self {
        Links { confirmations, ..Links::default() }
    }

    /// Returns true if other servers may append.
    pub const fn is_followed(&self) -> bool {
        self.confirmations.is_some()
    }

    /// Notes a batch before it is sent.
    pub fn note_batch(&self, batch: Uuid) {
        if self.is_followed() {
            self.own.add(batch);
        }
    }

    /// Notes whether other servers have a row. One that starts polls until then.
    pub fn note_others(&self, has_others: bool) {
        self.has_others.store(has_others, Ordering::Relaxed);
    }

    /// Notifies the other servers, if there are any, of committed entries of these tenants: a notification is a commit, and
    /// would cost the only server some of its throughput.
    pub fn announce(&self, tenants: impl Iterator<Item = TenantId>) {
        // Relaxed: a late reading costs the others the time to their next poll.
        if self.is_followed() && self.has_others.load(Ordering::Relaxed) {
            self.announcements.add(tenants);
        }
    }

    /// Notes that the store lost entries of a tenant that its state has. The follower loads it again.
    pub fn note_lost(&self, tenant: TenantId, reason: String) {
        self.lost.lock().insert(tenant, reason);
    }

    /// Requests a look at a tenant's head. Nothing happens if this is the only server: its state is at the head.
    pub fn look_at(&self, tenant: TenantId) {
        if self.is_followed() {
            self.wanted.add([tenant]);
        }
    }

    /// Looks at a tenant's head and waits until its view has reached it. Returns true if the view is beyond position `from`
    /// then: what was decided by a view at `from` may be decided otherwise now. Returns false at once if this is the only
    /// server.
    ///
    /// [`Fault::Unavailable`] if the store does not answer, or the view does not reach the head in time.
    pub async fn catch_up(&self, views: &Views, tenant: TenantId, from: u64) -> Result<bool, Fault> {
        if !self.is_followed() {
            return Ok(false);
        }
        let mut positions = views.tenant(tenant).positions();
        let reached = async {
            let head = self.wanted.head_of(tenant).await?;
            positions.wait_for(|now| *now >= head).await.ok().map(|now| *now)
        };
        match tokio::time::timeout(CATCH_UP_TIMEOUT, reached).await {
            Ok(Some(now)) => Ok(now > from),
            Ok(None) | Err(_) => {
                views.reject_absent(tenant)?;
                Err(Fault::Unavailable("the newest state cannot be read"))
            }
        }
    }
}

/// The tasks that follow other servers.
#[derive(Debug)]
pub struct Following {
    follower: Follower,
    links: Links,
    signals: Signals,
}

impl Following {
    pub(super) fn new(journal: Journal, signals: Signals, parts: FollowerParts) -> Self {
        let links = parts.links.clone();
        Following { follower: Follower::new(journal, parts), links, signals }
    }

    /// Starts the tasks, which run until `stopping` is cancelled.
    pub fn start(self, lifecycle: &Lifecycle, stopping: &CancellationToken) {
        let Following { follower, links, signals } = self;
        lifecycle.spawn("announcements", announcer::announce(links.announcements, signals.sender(), stopping.clone()));
        lifecycle.spawn("notifications", announcer::listen(links.wanted, signals, stopping.clone()));
        let stopping = stopping.clone();
        lifecycle.spawn("follower", async move {
            follower.run(stopping).await;
            Ok::<(), Infallible>(())
        });
    }
}

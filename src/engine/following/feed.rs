//! The entries of other servers on their way from the follower to the engine, a few pieces at a time.

use std::collections::VecDeque;

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::super::replay::Tail;
use crate::domain::TenantId;
use crate::journal::Logged;
use crate::live::State;

/// Deliveries that may wait in all, each of about 1 MiB of events.
const MAX_WAITING: usize = 8;

/// The state of a tenant whose history the store lost.
#[derive(Debug)]
pub(in crate::engine) struct Reloaded {
    pub state: State,
    /// The end of the state that it replaces. The engine may have loaded the tenant again by itself meanwhile.
    pub replaces: Tail,
    /// How the loss was noticed.
    pub reason: String,
}

/// A finding of the follower about one tenant.
#[derive(Debug)]
pub(in crate::engine) enum Delivery {
    /// Its next entries, in order. The engine may have some of them by now.
    Entries(Vec<Logged>),
    /// Its state from a checkpoint: the entries after the engine's state are deleted.
    Loaded(Box<State>),
    /// Its state from a checkpoint, since the store lost entries that the engine's state has.
    Reloaded(Box<Reloaded>),
    /// Its state, which an older release has settled, or the reason why that cannot be loaded. The tenant was not served.
    Settled(Result<Box<State>, String>),
    /// Its entries are of this other apply version.
    OtherVersion(u32),
    /// Its entries cannot be applied, for this reason.
    Faulty(String),
}

/// The deliveries that wait for the engine, in order.
#[derive(Debug, Default)]
pub(in crate::engine) struct Feed {
    waiting: Mutex<VecDeque<(TenantId, Delivery)>>,
    added: Notify,
    taken: Notify,
}

impl Feed {
    /// Returns true if a delivery of the tenant has room: none of its own waits, and few of others do.
    pub fn has_room(&self, tenant: TenantId) -> bool {
        let waiting = self.waiting.lock();
        waiting.len() < MAX_WAITING && waiting.iter().all(|(other, _)| *other != tenant)
    }

    /// Adds a delivery and wakes the engine.
    pub fn add(&self, tenant: TenantId, delivery: Delivery) {
        self.waiting.lock().push_back((tenant, delivery));
        // The engine is the only waiter. If it is not waiting now, the notification is kept for its next wait.
        self.added.notify_one();
    }

    /// Takes the deliveries of tenants that are not busy, so that no more than one piece of a tenant is in its backlog.
    pub fn take(&self, is_busy: impl Fn(TenantId) -> bool) -> Vec<(TenantId, Delivery)> {
        let mut waiting = self.waiting.lock();
        let (left, taken): (VecDeque<_>, VecDeque<_>) = waiting.drain(..).partition(|(tenant, _)| is_busy(*tenant));
        *waiting = left;
        drop(waiting);
        if !taken.is_empty() {
            self.taken.notify_one();
        }
        taken.into()
    }

    /// Returns true if a delivery of a tenant waits that can be taken.
    pub fn has_any(&self, can_go_on: impl Fn(TenantId) -> bool) -> bool {
        self.waiting.lock().iter().any(|(tenant, _)| can_go_on(*tenant))
    }

    /// Returns once deliveries were added.
    pub async fn wait(&self) {
        self.added.notified().await;
    }

    /// Returns once deliveries were taken.
    pub async fn room(&self) {
        self.taken.notified().await;
    }
}

//! Notifications of this server's entries to the others, and of theirs to this one.

use std::collections::HashSet;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::wanted::Wanted;
use crate::domain::TenantId;
use crate::journal::{Signal, Signals};

/// The pause after an error.
const RETRY_BACKOFF: Duration = Duration::from_millis(250);

/// Tenants with new entries that the other servers were not notified of.
#[derive(Debug, Default)]
pub(super) struct Announcements {
    tenants: Mutex<HashSet<TenantId>>,
    added: Notify,
}

impl Announcements {
    /// Adds tenants whose entries were committed.
    pub fn add(&self, tenants: impl Iterator<Item = TenantId>) {
        self.tenants.lock().extend(tenants);
        self.added.notify_one();
    }

    fn take(&self) -> Vec<TenantId> {
        self.tenants.lock().drain().collect()
    }
}

/// Sends announcements until `stopping` is cancelled. Those that are added while one is sent are in the next one, so that a
/// slow database gets fewer and not more. What cannot be sent is found by the others' polls.
pub(super) async fn announce(
    announcements: Arc<Announcements>,
    mut signals: Signals,
    stopping: CancellationToken,
) -> Result<(), Infallible> {
    loop {
        tokio::select! {
            () = stopping.cancelled() => return Ok(()),
            () = announcements.added.notified() => {}
        }
        let tenants = announcements.take();
        if tenants.is_empty() {
            continue;
        }
        tokio::select! {
            () = stopping.cancelled() => return Ok(()),
            sent = signals.send(&tenants) => if let Err(error) = sent {
                tracing::debug!(%error, "the other servers were not notified of new entries");
            },
        }
    }
}

/// Requests looks at the tenants that other servers name, until `stopping` is cancelled. An error is logged once per outage.
pub(super) async fn listen(
    wanted: Arc<Wanted>,
    mut signals: Signals,
    stopping: CancellationToken,
) -> Result<(), Infallible> {
    let mut is_failing = false;
    loop {
        let received = tokio::select! {
            () = stopping.cancelled() => return Ok(()),
            received = signals.receive() => received,
        };
        match received {
            Ok(signal) => {
                is_failing = false;
                match signal {
                    Signal::Tenants(tenants) => wanted.add(tenants),
                    Signal::All => wanted.add_all(),
                }
            }
            Err(error) => {
                if !std::mem::replace(&mut is_failing, true) {
                    tracing::warn!(%error, "notifications of other servers cannot be received; their entries are polled for");
                }
                tokio::time::sleep(RETRY_BACKOFF).await;
            }
        }
    }
}

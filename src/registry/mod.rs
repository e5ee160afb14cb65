//! The registry in memory: the valid keys and the settings of all tenants, so that neither authentication nor a setting
//! needs I/O.
//!
//! Both are read from the store together and replaced together: keys and settings are always of one version.

mod contents;
mod listeners;
mod revocations;
mod settings;

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::{ArcSwap, Guard};
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::domain::TenantId;
use crate::store::{Store, StoreError};

pub use contents::{Contents, ValidKey};
use listeners::Listeners;
pub use revocations::Revocations;
pub use settings::TenantSettings;

/// Interval at which changes made by other processes are polled for, so that they take effect within a second.
const WATCH_INTERVAL: Duration = Duration::from_millis(500);
/// The time within which a running server applies what another process changes.
pub const APPLIED_WITHIN: Duration = Duration::from_secs(1);
/// Maximum duration of one poll. Polls are serialized, so a store that does not answer would otherwise block all later
/// ones.
const REFRESH_TIMEOUT: Duration = Duration::from_secs(2);

/// The store's registry in memory. Clones share it.
#[derive(Clone, Debug)]
pub struct Registry(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    store: Store,
    contents: ArcSwap<Contents>,
    /// Held while the contents are reloaded, so that an older reading never replaces a newer one.
    refreshing: Mutex<()>,
    revocations: Revocations,
    /// Called with each tenant that was deleted.
    listeners: Listeners,
    /// Held while settings are read, changed and written; see [`TenantSettings::lock`].
    settings_lock: Mutex<()>,
}

impl Registry {
    /// Loads the registry from the store.
    pub async fn load(store: Store) -> Result<Self, StoreError> {
        let contents = ArcSwap::from_pointee(Contents::read(&store).await?);
        let (refreshing, settings_lock) = (Mutex::default(), Mutex::default());
        let (listeners, revocations) = (Listeners::default(), Revocations::default());
        Ok(Registry(Arc::new(Inner { store, contents, refreshing, revocations, listeners, settings_lock })))
    }

    /// The newest contents, all of one version.
    pub fn current(&self) -> Guard<Arc<Contents>> {
        self.0.contents.load()
    }

    /// Announces the credentials that become invalid.
    pub fn revocations(&self) -> &Revocations {
        &self.0.revocations
    }

    /// The settings of all tenants.
    pub fn settings(&self) -> TenantSettings {
        TenantSettings::new(self.clone())
    }

    /// Lets `listener` be called with each tenant that was deleted, by this process or another, once its keys are
    /// invalid. It may be called more than once with a tenant, and must not wait for anything.
    pub fn on_deleted(&self, listener: impl Fn(TenantId) + Send + Sync + 'static) {
        self.0.listeners.add(listener);
    }

    /// Reloads keys and settings from the store if its version changed: only the changes if it still has them, else
    /// all. Listeners have been called when it returns, whichever caller noticed the deletion.
    pub async fn refresh(&self) -> Result<(), StoreError> {
        let _refreshing = self.0.refreshing.lock().await;
        let known = self.0.contents.load_full();
        let version = self.0.store.registry_version().await?;
        if version == known.version {
            return Ok(());
        }
        let Some(changes) = self.0.store.registry_changes(known.version).await? else {
            let read = Contents::read(&self.0.store).await?;
            let deleted = known.tenants_without(&read);
            self.0.contents.store(Arc::new(read));
            self.0.revocations.announce_all();
            self.0.listeners.call(&deleted);
            return Ok(());
        };
        // Before the listeners: what they drop must not come back by a credential.
        self.0.contents.store(Arc::new(known.with(version, &changes)));
        let revoked = changes.keys.iter().filter(|key| key.revoked.is_some()).map(|key| key.tenant);
        let revoked: BTreeSet<TenantId> = revoked.chain(changes.deleted.iter().copied()).collect();
        revoked.into_iter().for_each(|tenant| self.0.revocations.announce(tenant));
        self.0.listeners.call(&changes.deleted);
        Ok(())
    }

    /// Polls for changes made by other processes, until `stopping` is cancelled. An error of the store is logged once
    /// per outage; the keys and settings loaded last stay in use.
    pub async fn watch(self, clock: Clock, stopping: CancellationToken) -> Result<(), Infallible> {
        let mut is_failing = false;
        loop {
            tokio::select! {
                () = clock.sleep(WATCH_INTERVAL) => {}
                () = stopping.cancelled() => return Ok(()),
            }
            let refreshing = tokio::time::timeout(REFRESH_TIMEOUT, self.refresh());
            let refreshed = tokio::select! {
                refreshed = refreshing => refreshed.unwrap_or(Err(StoreError::TimedOut)),
                // A store that does not answer must not delay the shutdown.
                () = stopping.cancelled() => return Ok(()),
            };
            match refreshed {
                Ok(()) => is_failing = false,
                Err(error) if !is_failing => {
                    tracing::warn!(%error, "keys and settings cannot be reloaded; those loaded last stay in use");
                    is_failing = true;
                }
                Err(_) => {}
            }
        }
    }
}

//! The registry in memory: the valid keys and tokens and the settings of all tenants, so that neither authentication nor
//! a setting needs I/O.
//!
//! Keys and settings are read from the store together and replaced together: they are always of one version. Each change
//! of them and each revocation of tokens has a version, and is read by every server on the store.

mod by_hash;
mod contents;
mod links;
mod listeners;
mod revocations;
mod settings;
mod tokens;

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::{ArcSwap, Guard};
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::domain::{TenantId, Time};
use crate::store::{RegistryVersion, Store, StoreError};

pub use contents::{Contents, ValidKey};
pub use links::Links;
use listeners::Listeners;
pub use revocations::Revocations;
pub use settings::TenantSettings;
pub use tokens::{Token, Tokens};

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
    tokens: Tokens,
    links: Links,
    /// Held while the contents are reloaded and tokens are read, so that an older reading never replaces a newer one.
    refreshing: Mutex<()>,
    revocations: Revocations,
    /// Called with each tenant that was deleted.
    listeners: Listeners,
}

impl Registry {
    /// Loads the keys and settings from the store; the tokens are loaded by [`Registry::load_tokens`].
    pub async fn load(store: Store) -> Result<Self, StoreError> {
        let contents = ArcSwap::from_pointee(Contents::read(&store).await?);
        let (tokens, links, refreshing) = (Tokens::default(), Links::default(), Mutex::default());
        let (listeners, revocations) = (Listeners::default(), Revocations::default());
        Ok(Registry(Arc::new(Inner { store, contents, tokens, links, refreshing, revocations, listeners })))
    }

    /// Loads the tokens that have not expired by `now`.
    pub async fn load_tokens(&self, now: Time) -> Result<(), StoreError> {
        let _refreshing = self.0.refreshing.lock().await;
        self.0.store.tokens(now).await?.iter().for_each(|token| self.0.tokens.insert(token));
        Ok(())
    }

    /// The store that the registry was loaded from.
    pub fn store(&self) -> &Store {
        &self.0.store
    }

    /// The tokens in memory.
    pub fn tokens(&self) -> &Tokens {
        &self.0.tokens
    }

    /// The links in memory.
    pub fn links(&self) -> &Links {
        &self.0.links
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

    /// Reloads keys and settings from the store if its version changed, and drops revoked tokens: only the changes if it
    /// still has them, else all. Listeners have been called when it returns, whichever caller noticed the deletion.
    pub async fn refresh(&self) -> Result<(), StoreError> {
        let _refreshing = self.0.refreshing.lock().await;
        let version = self.0.store.registry_version().await?;
        self.follow(version).await
    }

    /// Reads the tokens with these hashes from the store, and what changed in the registry. Keys and tokens that were
    /// stored before the call are in memory when it returns.
    pub async fn look_up(&self, hashes: &[[u8; 32]]) -> Result<(), StoreError> {
        let _refreshing = self.0.refreshing.lock().await;
        let (version, tokens) = self.0.store.look_up(hashes).await?;
        // Before the changes: a revocation since the reading is among them or among later ones, and must find the token.
        // After the tokens the changes have every key that one of them was issued for.
        tokens.iter().for_each(|token| self.0.tokens.insert(token));
        self.follow(version).await
    }

    /// Reads the link with this hash from the store, and what changed in the registry. If the store has it, it is in memory
    /// when this returns.
    pub async fn look_up_link(&self, hash: [u8; 32]) -> Result<(), StoreError> {
        let _refreshing = self.0.refreshing.lock().await;
        // Read before the version: a revocation since the reading is among the changes, or among later ones, and must
        // find the link.
        let links = self.0.store.find_links(&[hash]).await?;
        links.into_iter().for_each(|link| self.0.links.insert(link));
        let version = self.0.store.registry_version().await?;
        self.follow(version).await
    }

    /// Brings the contents to a version of the store or a later one. Called with `refreshing` locked.
    async fn follow(&self, version: RegistryVersion) -> Result<(), StoreError> {
        let known = self.0.contents.load_full();
        if version == known.version {
            return Ok(());
        }
        let Some(changes) = self.0.store.registry_changes(known.version).await? else {
            return self.reload(&known).await;
        };
        // Before the listeners: what they drop must not come back by a credential.
        self.0.contents.store(Arc::new(known.with(version, &changes)));
        let revoked = changes.keys.iter().filter(|key| key.revoked.is_some()).map(|key| key.tenant);
        let removed = |hash| self.0.tokens.remove(hash).or_else(|| self.0.links.remove(hash));
        let tokens = changes.revoked.iter().filter_map(removed);
        let revoked: BTreeSet<TenantId> = revoked.chain(tokens).chain(changes.deleted.iter().copied()).collect();
        self.drop_deleted(&changes.deleted);
        revoked.into_iter().for_each(|tenant| self.0.revocations.announce(tenant));
        self.0.listeners.call(&changes.deleted);
        Ok(())
    }

    /// Reads everything anew: the changes since `known` are not in the store.
    async fn reload(&self, known: &Contents) -> Result<(), StoreError> {
        // Before the reading, in which a token that is issued meanwhile may be missing.
        let (before, links_before) = (self.0.tokens.hashes(), self.0.links.hashes());
        let read = Contents::read(&self.0.store).await?;
        let tokens = self.0.store.tokens(Time::NEVER).await?;
        let links = self.0.store.find_links(&links_before).await?;
        let deleted = known.tenants_without(&read);
        self.0.contents.store(Arc::new(read));
        tokens.iter().for_each(|token| self.0.tokens.insert(token));
        self.0.tokens.remove_others(&before, tokens.iter().map(|token| token.hash));
        self.0.links.remove_others(&links_before, links.iter().map(|link| link.hash));
        self.drop_deleted(&deleted);
        self.0.revocations.announce_all();
        self.0.listeners.call(&deleted);
        Ok(())
    }

    fn drop_deleted(&self, deleted: &[TenantId]) {
        for tenant in deleted {
            self.0.tokens.remove_all(*tenant);
            self.0.links.remove_all(*tenant);
        }
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

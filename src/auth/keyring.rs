//! All keys that are valid now, in memory: asking who somebody is waits for nothing.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use subtle::ConstantTimeEq;
use tokio_util::sync::CancellationToken;

use super::{Admin, Caller, secret};
use crate::clock::Clock;
use crate::domain::Fault;
use crate::store::{Store, StoreError};

/// How often changes made by another process are looked for; they take effect within a second.
const WATCH: Duration = Duration::from_millis(500);

/// The keys, found by the hash of what a caller presents. A clone shares them.
#[derive(Clone, Debug)]
pub struct KeyRing(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    store: Store,
    admin: Option<[u8; 32]>,
    keys: ArcSwap<HashMap<[u8; 32], Caller>>,
    version: AtomicI64,
}

impl KeyRing {
    /// The keys in the store. `admin` is the hash of the administrator's token; without one nobody is administrator.
    pub async fn load(store: Store, admin: Option<[u8; 32]>) -> Result<Self, StoreError> {
        let inner = Inner { store, admin, keys: ArcSwap::default(), version: AtomicI64::new(-1) };
        let ring = KeyRing(Arc::new(inner));
        ring.refresh().await?;
        Ok(ring)
    }

    /// Whose key this is.
    pub fn caller(&self, key: Option<&str>) -> Result<Caller, Fault> {
        let key = key.filter(|key| !key.is_empty()).ok_or(Fault::CredentialMissing)?;
        self.0.keys.load().get(&secret::hash(key)).copied().ok_or(Fault::CredentialInvalid)
    }

    /// Whether this is the administrator's token.
    pub fn admin(&self, token: Option<&str>) -> Result<Admin, Fault> {
        let token = token.filter(|token| !token.is_empty()).ok_or(Fault::CredentialMissing)?;
        let expected = self.0.admin.ok_or(Fault::CredentialInvalid)?;
        if bool::from(secret::hash(token).ct_eq(&expected)) { Ok(Admin(())) } else { Err(Fault::CredentialInvalid) }
    }

    /// Takes over what the store holds now, if it changed.
    pub async fn refresh(&self) -> Result<(), StoreError> {
        // The version first: a change between the two reads is then seen again next time, never missed.
        let version = self.0.store.registry_version().await?;
        if version == self.0.version.load(Ordering::Acquire) {
            return Ok(());
        }
        let keys = self.0.store.keys().await?;
        let valid = keys.into_iter().filter(|key| key.revoked.is_none());
        let callers =
            valid.map(|key| (key.hash, Caller { tenant: key.tenant, scopes: key.scopes.into_iter().collect() }));
        self.0.keys.store(Arc::new(callers.collect()));
        self.0.version.store(version, Ordering::Release);
        Ok(())
    }

    /// Looks for changes made by other processes until `stopping` is cancelled.
    pub async fn watch(self, clock: Clock, stopping: CancellationToken) -> Result<(), StoreError> {
        let mut is_away = false;
        loop {
            tokio::select! {
                () = clock.sleep(WATCH) => {}
                () = stopping.cancelled() => return Ok(()),
            }
            let refreshed = tokio::select! {
                refreshed = self.refresh() => refreshed,
                // A store that does not answer keeps nobody from ending.
                () = stopping.cancelled() => return Ok(()),
            };
            match refreshed {
                Ok(()) => is_away = false,
                Err(error) if !is_away => {
                    tracing::warn!(%error, "the keys cannot be read anew; those known stay valid");
                    is_away = true;
                }
                Err(_) => {}
            }
        }
    }
}

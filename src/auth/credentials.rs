//! The valid keys and tokens and the settings of their tenants, in memory, so that authentication needs no I/O.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use rpds::HashTrieMapSync;
use subtle::ConstantTimeEq;
use tokio::sync::{Mutex, MutexGuard};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::tokens::{LoggedIn, Tokens};
use super::{Admin, Caller, Client, secret};
use crate::clock::Clock;
use crate::domain::ids::parse_guid;
use crate::domain::{Fault, Scopes, Settings, TenantId};
use crate::limits::Throttle;
use crate::store::{RegistryChanges, RegistryVersion, Store, StoreError, TokenHolder, TokenRecord};

/// Interval at which changes made by other processes are polled for, so that they take effect within a second.
const WATCH_INTERVAL: Duration = Duration::from_millis(500);
/// Maximum duration of one poll. Polls are serialized, so a store that does not answer would otherwise block all later
/// ones.
const REFRESH_TIMEOUT: Duration = Duration::from_secs(2);
/// Interval at which expired tokens and throttle entries are removed from memory.
const SWEEP_INTERVAL: Duration = Duration::from_secs(60);

/// The keys and tokens, found by the hash of the presented credential. Clones share them.
#[derive(Clone, Debug)]
pub struct Credentials(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    store: Store,
    clock: Clock,
    admin: Option<[u8; 32]>,
    registry: ArcSwap<Registry>,
    /// Held while the registry is reloaded, so that an older reading never replaces a newer one.
    refreshing: Mutex<()>,
    /// Held while settings are read, changed and written; see [`Credentials::lock_settings`].
    settings_lock: Mutex<()>,
    tokens: Tokens,
}

/// The store's keys that are not revoked, and the settings of all tenants. In persistent maps, so that the cost of a
/// change does not depend on the number of keys.
#[derive(Clone, Debug)]
struct Registry {
    version: RegistryVersion,
    by_hash: HashTrieMapSync<[u8; 32], Client>,
    /// The hash of each key, by the key's id.
    ids: HashTrieMapSync<Uuid, [u8; 32]>,
    settings: HashTrieMapSync<TenantId, Settings>,
}

impl Credentials {
    /// Loads keys, tokens and settings from the store. `admin` is the hash of the administrator's token; without it
    /// every administrator's token is rejected.
    pub async fn load(store: Store, admin: Option<[u8; 32]>, clock: Clock) -> Result<Self, StoreError> {
        let registry = ArcSwap::from_pointee(Registry::read(&store).await?);
        let credentials = Credentials(Arc::new(Inner {
            store,
            clock,
            admin,
            registry,
            refreshing: Mutex::default(),
            settings_lock: Mutex::default(),
            tokens: Tokens::default(),
        }));
        for token in credentials.0.store.tokens(credentials.0.clock.now()).await? {
            credentials.add_token(&token);
        }
        Ok(credentials)
    }

    /// Authenticates a key or token.
    ///
    /// For the token of a logged-in user, `scopes_now` returns the scopes that the user has now, or `None` if the user
    /// or the password is gone, which makes the token invalid; this type does not know users. The caller gets the
    /// scopes that are in both the token and `scopes_now`. [`Fault::CredentialMissing`] without a credential,
    /// [`Fault::CredentialInvalid`] if it is unknown, revoked or expired.
    pub fn caller(
        &self,
        credential: Option<&str>,
        scopes_now: impl FnOnce(TenantId, LoggedIn) -> Result<Option<Scopes>, Fault>,
    ) -> Result<Caller, Fault> {
        let credential = credential.filter(|text| !text.is_empty()).ok_or(Fault::CredentialMissing)?;
        let hash = secret::hash_of_made(credential).ok_or(Fault::CredentialInvalid)?;
        self.authenticate(hash, scopes_now)
    }

    /// Authenticates a caller again by the credential presented earlier, as [`Credentials::caller`] does. Long-lived
    /// connections need this, since the credential may have been revoked or have expired in the meantime.
    pub fn revalidate(
        &self,
        caller: &Caller,
        scopes_now: impl FnOnce(TenantId, LoggedIn) -> Result<Option<Scopes>, Fault>,
    ) -> Result<Caller, Fault> {
        self.authenticate(caller.credential, scopes_now)
    }

    fn authenticate(
        &self,
        hash: [u8; 32],
        scopes_now: impl FnOnce(TenantId, LoggedIn) -> Result<Option<Scopes>, Fault>,
    ) -> Result<Caller, Fault> {
        let keys = self.0.registry.load();
        // Found by its hash, a credential needs no comparison in constant time: hashes cannot be approached step by
        // step.
        if let Some(Client { tenant, scopes, .. }) = keys.by_hash.get(&hash).copied() {
            return Ok(Caller { tenant, scopes, credential: hash });
        }
        let token = self.0.tokens.find(&hash, self.0.clock.now()).ok_or(Fault::CredentialInvalid)?;
        let scopes = match token.holder {
            // A token issued for a key is valid as long as its key is, with the scopes it was issued with.
            TokenHolder::Key(key) => keys.ids.contains_key(&key).then_some(token.scopes),
            TokenHolder::User { guid, password } => {
                scopes_now(token.tenant, LoggedIn { guid, password })?.map(|now| token.scopes.within(now))
            }
        };
        let scopes = scopes.ok_or(Fault::CredentialInvalid)?;
        Ok(Caller { tenant: token.tenant, scopes, credential: hash })
    }

    /// Authenticates a client by the key's id and the key itself. Tokens are rejected.
    pub fn client(&self, id: &str, key: &str) -> Result<Client, Fault> {
        let hash = secret::hash_of_made(key).ok_or(Fault::CredentialInvalid)?;
        let keys = self.0.registry.load();
        let client = keys.by_hash.get(&hash).filter(|client| parse_guid(id) == Some(client.key));
        let client = client.copied().ok_or(Fault::CredentialInvalid)?;
        Ok(client)
    }

    /// The number of valid keys.
    pub fn keys(&self) -> usize {
        self.0.registry.load().ids.size()
    }

    /// Returns true if the key with this id is valid.
    pub fn has_key(&self, id: Uuid) -> bool {
        self.0.registry.load().ids.contains_key(&id)
    }

    /// The current settings of a tenant; the default if it is unknown.
    pub fn settings(&self, tenant: TenantId) -> Settings {
        self.0.registry.load().settings.get(&tenant).cloned().unwrap_or_default()
    }

    /// Waits for exclusive access to changes of settings within this process, held until the guard is dropped. Without
    /// it two concurrent changes could overwrite each other, since each reads, changes and writes all settings of a
    /// tenant.
    pub async fn lock_settings(&self) -> MutexGuard<'_, ()> {
        self.0.settings_lock.lock().await
    }

    /// Authenticates the administrator. The hashes are compared in constant time.
    pub fn admin(&self, token: Option<&str>) -> Result<Admin, Fault> {
        let token = token.filter(|token| !token.is_empty()).ok_or(Fault::CredentialMissing)?;
        let expected = self.0.admin.ok_or(Fault::CredentialInvalid)?;
        // Hashes have equal lengths, so that not even the token's length shows in the time taken.
        if bool::from(secret::hash(token).ct_eq(&expected)) { Ok(Admin(())) } else { Err(Fault::CredentialInvalid) }
    }

    /// Adds a token that was written to the store; it is valid from now on.
    pub fn add_token(&self, token: &TokenRecord) {
        self.0.tokens.insert(token);
    }

    /// Returns true if a token with this hash is in memory, expired or not.
    pub fn has_token(&self, hash: &[u8; 32]) -> bool {
        self.0.tokens.contains(hash)
    }

    /// Removes a token that was deleted from the store; it is invalid from now on.
    pub fn remove_token(&self, hash: &[u8; 32]) {
        self.0.tokens.remove(hash);
    }

    /// Reloads keys and settings from the store if its version changed: only the changes if it still has them, else
    /// all.
    pub async fn refresh(&self) -> Result<(), StoreError> {
        let _refreshing = self.0.refreshing.lock().await;
        let known = self.0.registry.load_full();
        let version = self.0.store.registry_version().await?;
        if version == known.version {
            return Ok(());
        }
        let read = match self.0.store.registry_changes(known.version).await? {
            Some(changes) => known.with(version, changes),
            None => Registry::read(&self.0.store).await?,
        };
        self.0.registry.store(Arc::new(read));
        Ok(())
    }

    /// Polls for changes made by other processes and removes expired entries, until `stopping` is cancelled. An error
    /// of the store is logged once per outage; the keys loaded last stay valid.
    pub async fn watch(self, throttle: Throttle, stopping: CancellationToken) -> Result<(), StoreError> {
        let clock = self.0.clock.clone();
        let mut is_failing = false;
        let mut swept = clock.monotonic();
        loop {
            tokio::select! {
                () = clock.sleep(WATCH_INTERVAL) => {}
                () = stopping.cancelled() => return Ok(()),
            }
            if clock.monotonic() >= swept + SWEEP_INTERVAL {
                swept = clock.monotonic();
                self.0.tokens.purge(clock.now());
                throttle.sweep();
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

impl Registry {
    async fn read(store: &Store) -> Result<Self, StoreError> {
        // The version is read first: a change between the reads is then read again at the next poll instead of being
        // missed.
        let version = store.registry_version().await?;
        let empty = Registry {
            version,
            by_hash: HashTrieMapSync::default(),
            ids: HashTrieMapSync::default(),
            settings: HashTrieMapSync::default(),
        };
        let (keys, tenants) = (store.valid_keys().await?, store.tenants().await?);
        Ok(empty.with(version, RegistryChanges { tenants, keys }))
    }

    /// Returns the registry with `changes` applied.
    fn with(&self, version: RegistryVersion, changes: RegistryChanges) -> Self {
        let mut after = Registry { version, ..self.clone() };
        for key in changes.keys {
            if key.revoked.is_some() {
                after.ids.remove_mut(&key.id);
                after.by_hash.remove_mut(&key.hash);
            } else {
                after.ids.insert_mut(key.id, key.hash);
                let client = Client { key: key.id, tenant: key.tenant, scopes: key.scopes.into_iter().collect() };
                after.by_hash.insert_mut(key.hash, client);
            }
        }
        for tenant in changes.tenants {
            after.settings.insert_mut(tenant.id, tenant.settings);
        }
        after
    }
}

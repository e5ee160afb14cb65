//! All keys and tokens that are valid now, and how things are done for their tenants, in memory: asking waits for
//! nothing.

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

/// How often changes made by another process are looked for; they take effect within a second.
const WATCH: Duration = Duration::from_millis(500);
/// How long one look for changes may take: a store that went silent must not keep others from looking.
const REFRESH_TIMEOUT: Duration = Duration::from_secs(2);
/// How often what ran out is swept from memory.
const SWEEP: Duration = Duration::from_secs(60);

/// The keys and tokens, found by the hash of what a caller presents. A clone shares them.
#[derive(Clone, Debug)]
pub struct KeyRing(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    store: Store,
    clock: Clock,
    admin: Option<[u8; 32]>,
    registry: ArcSwap<Registry>,
    /// Held while the registry is read anew, so that what was read first is taken first.
    refreshing: Mutex<()>,
    turn: Mutex<()>,
    tokens: Tokens,
}

/// What the store holds of tenants and keys: the keys that are not revoked, and every tenant's settings. Persistent maps:
/// a change costs what it changes, however many keys there are.
#[derive(Clone, Debug)]
struct Registry {
    version: RegistryVersion,
    by_hash: HashTrieMapSync<[u8; 32], Client>,
    /// The hash of each key, by its id.
    ids: HashTrieMapSync<Uuid, [u8; 32]>,
    settings: HashTrieMapSync<TenantId, Settings>,
}

impl KeyRing {
    /// The keys and tokens in the store. `admin` is the hash of the administrator's token; without one nobody is
    /// administrator.
    pub async fn load(store: Store, admin: Option<[u8; 32]>, clock: Clock) -> Result<Self, StoreError> {
        let registry = ArcSwap::from_pointee(Registry::read(&store).await?);
        let ring = KeyRing(Arc::new(Inner {
            store,
            clock,
            admin,
            registry,
            refreshing: Mutex::default(),
            turn: Mutex::default(),
            tokens: Tokens::default(),
        }));
        for token in ring.0.store.tokens(ring.0.clock.now()).await? {
            ring.keep(&token);
        }
        Ok(ring)
    }

    /// Whose key or token this is. `may` tells what somebody who logged in may do now, nothing if their token is to be
    /// worth nothing: whether they are still there is not known here.
    pub fn caller(
        &self,
        credential: Option<&str>,
        may: impl FnOnce(TenantId, LoggedIn) -> Option<Scopes>,
    ) -> Result<Caller, Fault> {
        let credential = credential.filter(|text| !text.is_empty()).ok_or(Fault::CredentialMissing)?;
        let hash = secret::hash_of_made(credential).ok_or(Fault::CredentialInvalid)?;
        self.of_hash(hash, may)
    }

    /// The same of a caller who stayed: what was good when they came may have been taken back since.
    pub fn again(
        &self,
        caller: &Caller,
        may: impl FnOnce(TenantId, LoggedIn) -> Option<Scopes>,
    ) -> Result<Caller, Fault> {
        self.of_hash(caller.credential, may)
    }

    fn of_hash(&self, hash: [u8; 32], may: impl FnOnce(TenantId, LoggedIn) -> Option<Scopes>) -> Result<Caller, Fault> {
        let keys = self.0.registry.load();
        if let Some(Client { tenant, scopes, .. }) = keys.by_hash.get(&hash).copied() {
            return Ok(Caller { tenant, scopes, credential: hash });
        }
        let token = self.0.tokens.find(&hash, self.0.clock.now()).ok_or(Fault::CredentialInvalid)?;
        let scopes = match token.holder {
            TokenHolder::Key(key) => keys.ids.contains_key(&key).then_some(token.scopes),
            TokenHolder::User { guid, password } => {
                may(token.tenant, LoggedIn { guid, password }).map(|now| token.scopes.within(now))
            }
        };
        let scopes = scopes.ok_or(Fault::CredentialInvalid)?;
        Ok(Caller { tenant: token.tenant, scopes, credential: hash })
    }

    /// The key of that id, by the key itself; a token will not do.
    pub fn client(&self, id: &str, key: &str) -> Result<Client, Fault> {
        let hash = secret::hash_of_made(key).ok_or(Fault::CredentialInvalid)?;
        let keys = self.0.registry.load();
        let client = keys.by_hash.get(&hash).filter(|client| parse_guid(id) == Some(client.key));
        let client = client.copied().ok_or(Fault::CredentialInvalid)?;
        Ok(client)
    }

    /// How many keys are valid.
    pub fn keys(&self) -> usize {
        self.0.registry.load().ids.size()
    }

    /// Whether the key of that id is valid.
    pub fn has_key(&self, id: Uuid) -> bool {
        self.0.registry.load().ids.contains_key(&id)
    }

    /// How things are done for a tenant, as of now.
    pub fn settings(&self, tenant: TenantId) -> Settings {
        self.0.registry.load().settings.get(&tenant).cloned().unwrap_or_default()
    }

    /// Waits until nobody else here changes settings, and keeps others from it.
    pub async fn turn(&self) -> MutexGuard<'_, ()> {
        self.0.turn.lock().await
    }

    /// Whether this is the administrator's token.
    pub fn admin(&self, token: Option<&str>) -> Result<Admin, Fault> {
        let token = token.filter(|token| !token.is_empty()).ok_or(Fault::CredentialMissing)?;
        let expected = self.0.admin.ok_or(Fault::CredentialInvalid)?;
        if bool::from(secret::hash(token).ct_eq(&expected)) { Ok(Admin(())) } else { Err(Fault::CredentialInvalid) }
    }

    /// Takes a token that the store has taken; it is valid from now on.
    pub fn keep(&self, token: &TokenRecord) {
        self.0.tokens.keep(token);
    }

    /// Whether a token of that hash is known, run out or not.
    pub fn knows(&self, hash: &[u8; 32]) -> bool {
        self.0.tokens.knows(hash)
    }

    /// Lets go of a token that the store has let go of; it is worth nothing from now on.
    pub fn forget(&self, hash: &[u8; 32]) {
        self.0.tokens.forget(hash);
    }

    /// Takes over what keys and settings the store holds now, if any changed.
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

    /// Looks for changes made by other processes until `stopping` is cancelled, and lets go of what ran out.
    pub async fn watch(self, throttle: Throttle, stopping: CancellationToken) -> Result<(), StoreError> {
        let clock = self.0.clock.clone();
        let mut is_away = false;
        let mut swept = clock.monotonic();
        loop {
            tokio::select! {
                () = clock.sleep(WATCH) => {}
                () = stopping.cancelled() => return Ok(()),
            }
            if clock.monotonic() >= swept + SWEEP {
                swept = clock.monotonic();
                self.0.tokens.purge(clock.now());
                throttle.sweep();
            }
            let refreshing = tokio::time::timeout(REFRESH_TIMEOUT, self.refresh());
            let refreshed = tokio::select! {
                refreshed = refreshing => refreshed.unwrap_or(Err(StoreError::TimedOut)),
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

impl Registry {
    async fn read(store: &Store) -> Result<Self, StoreError> {
        // The version first: a change between the reads is then seen again next time, never missed.
        let version = store.registry_version().await?;
        let nothing = Registry {
            version,
            by_hash: HashTrieMapSync::default(),
            ids: HashTrieMapSync::default(),
            settings: HashTrieMapSync::default(),
        };
        let (keys, tenants) = (store.valid_keys().await?, store.tenants().await?);
        Ok(nothing.with(version, RegistryChanges { tenants, keys }))
    }

    /// The registry after some changes.
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

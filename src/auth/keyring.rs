//! All keys and tokens that are valid now, and how things are done for their tenants, in memory: asking waits for
//! nothing.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
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
use crate::store::{Store, StoreError, TokenHolder, TokenRecord};

/// How often changes made by another process are looked for; they take effect within a second.
const WATCH: Duration = Duration::from_millis(500);
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
    turn: Mutex<()>,
    tokens: Tokens,
}

/// What the store holds of tenants and keys: the keys that are not revoked, and every tenant's settings.
#[derive(Debug)]
struct Registry {
    version: i64,
    by_hash: HashMap<[u8; 32], Client>,
    ids: HashSet<Uuid>,
    settings: HashMap<TenantId, Settings>,
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
            TokenHolder::Key(key) => keys.ids.contains(&key).then_some(token.scopes),
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
        client.copied().ok_or(Fault::CredentialInvalid)
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
        if self.0.store.registry_version().await? == self.0.registry.load().version {
            return Ok(());
        }
        let read = Arc::new(Registry::read(&self.0.store).await?);
        // Of two that read at a time the later one may be the first to have done so: what is newer stays.
        self.0.registry.rcu(|known| if known.version < read.version { read.clone() } else { known.clone() });
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

impl Registry {
    async fn read(store: &Store) -> Result<Self, StoreError> {
        // The version first: a change between the reads is then seen again next time, never missed.
        let version = store.registry_version().await?;
        let (mut by_hash, mut ids) = (HashMap::new(), HashSet::new());
        for key in store.keys().await?.into_iter().filter(|key| key.revoked.is_none()) {
            ids.insert(key.id);
            let client = Client { key: key.id, tenant: key.tenant, scopes: key.scopes.into_iter().collect() };
            by_hash.insert(key.hash, client);
        }
        let tenants = store.tenants().await?.into_iter();
        let settings = tenants.map(|tenant| (tenant.id, tenant.settings)).collect();
        Ok(Registry { version, by_hash, ids, settings })
    }
}

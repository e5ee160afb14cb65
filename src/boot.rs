//! Start-up: locks the store and brings every tenant's state up to the end of its journal.

mod loading;

use std::collections::HashMap;
use std::fs::File;
use std::time::Duration;

use metrics::gauge;

use crate::auth::secret::{Secret, hash};
use crate::auth::{Credentials, OperatorHashes};
use crate::clock::Clock;
use crate::domain::TenantId;
use crate::engine::replay::ReplayError;
use crate::engine::{Loaded, compare_clocks};
use crate::journal::{Journal, JournalError, LockMode};
use crate::live::state::BadCheckpoint;
use crate::registry::Registry;
use crate::store::{Location, Purpose, ServerLock, Store, StoreError};

pub use loading::{LoadedTenants, load, load_own, take_over};

/// Longest wait for another server's lock. A server that lost its network keeps its lock until PostgreSQL ends its
/// session, which the settings of every connection make it do within 10 s.
const LOCK_TIMEOUT: Duration = Duration::from_secs(15);
/// Pause between two attempts at the lock.
const LOCK_INTERVAL: Duration = Duration::from_millis(100);
/// Distance of the clock behind the newest entry from which on it is reported, in microseconds: the guard's bound of a
/// jump, 2 s.
const CLOCK_TOLERANCE: i64 = 2_000_000;

/// An error that prevents the service from starting, or a tenant from loading.
#[derive(Debug, thiserror::Error)]
pub enum BootError {
    /// Another server holds the store's lock.
    #[error("another server is running on this store ({0})")]
    Taken(String),
    /// The store failed, or its contents cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The journal failed, or its contents cannot be read.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The rows of a checkpoint are not a state.
    #[error(transparent)]
    Checkpoint(#[from] BadCheckpoint),
    /// The journal cannot be applied to the checkpoint.
    #[error(transparent)]
    Replay(#[from] ReplayError),
    /// The journal ends before the checkpoint. New entries would be given positions that the checkpoint already covers,
    /// and the state would skip them.
    #[error(
        "the journal of tenant {tenant} ends at {head}, before its checkpoint at {checkpoint}: the store lost what it \
         had acknowledged"
    )]
    Lost {
        /// The tenant.
        tenant: TenantId,
        /// Position of the journal's last entry.
        head: u64,
        /// Position of the checkpoint.
        checkpoint: u64,
    },
}

/// The tokens of the settings.
#[derive(Clone, Copy, Default)]
pub struct GivenTokens<'a> {
    /// The administrator's. Without it that of the store is in force, which an embedded store gets if it has none.
    pub admin: Option<&'a str>,
    /// The one that reads the metrics. Without it only the administrator's does.
    pub metrics: Option<&'a str>,
}

/// A locked store with its contents loaded.
pub struct Booted {
    /// The store, with tenants, keys and checkpoints.
    pub store: Store,
    /// The journal of all tenants.
    pub journal: Journal,
    /// The tenants that are not in quarantine, with their states.
    pub loaded: Loaded,
    /// The tenants that cannot be loaded, and why. They are neither written nor read until the next start.
    pub quarantined: HashMap<TenantId, String>,
    /// The tenants of another release, by the apply version of their entries. They are neither written nor read before they
    /// are settled.
    pub unsettled: HashMap<TenantId, u32>,
    /// The keys and settings of all tenants.
    pub registry: Registry,
    /// All keys and tokens.
    pub credentials: Credentials,
    /// The administrator's token if this start generated it: to be shown once.
    pub new_admin_token: Option<Secret>,
    /// True if there is an administrator's token.
    pub has_admin: bool,
    /// The lock file, to be held while the server runs; `None` for PostgreSQL, where the journal's session is the lock.
    pub lock: Option<File>,
}

/// A locked store from which nothing has been read.
pub struct LockedStore {
    /// The store, with tenants, keys and checkpoints.
    pub store: Store,
    /// The journal of all tenants.
    pub journal: Journal,
    /// The lock file, to be held while the store is used; `None` for PostgreSQL, where the journal's session is the
    /// lock.
    pub lock: Option<File>,
}

/// Locks the store and opens it, for this process alone or, on PostgreSQL, together with other servers. The lock comes
/// first, since opening changes tables, which must not happen under a server that cannot use newer ones. `apply_version` is
/// the version of the rules by which the process applies entries.
pub async fn lock_store(
    location: &Location,
    clock: &Clock,
    purpose: Purpose,
    mode: LockMode,
    apply_version: u32,
) -> Result<LockedStore, BootError> {
    location.inspect(purpose).await?;
    let mut lock = take_lock(location, clock, purpose, mode).await?;
    let store = Store::open_locked(location, &lock, purpose).await?;
    if mode == LockMode::Shared {
        lock.share().await?;
    }
    let (journal, lock) = store.locked_journal(lock, apply_version).await?;
    Ok(LockedStore { store, journal, lock })
}

/// Locks the store as a server, and loads every tenant, the keys and the administrator's token. `apply_version` is that of
/// this release, [`APPLY_VERSION`](crate::live::state::APPLY_VERSION), except in tests.
pub async fn boot(
    location: &Location,
    given: GivenTokens<'_>,
    clock: &Clock,
    apply_version: u32,
) -> Result<Booted, BootError> {
    let locked = lock_store(location, clock, Purpose::Make, LockMode::Shared, apply_version).await?;
    let LockedStore { store, mut journal, lock } = locked;
    check_clock(&mut journal, clock).await?;
    let LoadedTenants { loaded, quarantined, unsettled } = take_over(&store, &mut journal).await?;
    let unsettled: HashMap<TenantId, u32> =
        unsettled.into_iter().map(|(tenant, (version, _))| (tenant, version)).collect();
    gauge!("rollcall_quarantined_tenants").set(quarantined.len() as f64);
    gauge!("rollcall_unsettled_tenants").set(unsettled.len() as f64);
    let (admin, new_admin_token) = admin(location, &store, given.admin).await?;
    let has_admin = admin.is_some();
    let operators = OperatorHashes { admin, metrics: given.metrics.map(hash) };
    let registry = Registry::load(store.clone()).await?;
    let credentials = Credentials::load(registry.clone(), operators, clock.clone()).await?;
    let booted = Booted {
        store,
        journal,
        loaded,
        quarantined,
        unsettled,
        registry,
        credentials,
        new_admin_token,
        has_admin,
        lock,
    };
    Ok(booted)
}

/// Waits for the lock. [`BootError::Taken`] after [`LOCK_TIMEOUT`].
async fn take_lock(
    location: &Location,
    clock: &Clock,
    purpose: Purpose,
    mode: LockMode,
) -> Result<ServerLock, BootError> {
    let until = clock.monotonic() + LOCK_TIMEOUT;
    loop {
        match ServerLock::try_take_as(location, purpose, mode).await? {
            Some(lock) => return Ok(lock),
            None if clock.monotonic() < until => tokio::time::sleep(LOCK_INTERVAL).await,
            None => return Err(BootError::Taken(location.to_string())),
        }
    }
}

/// Compares the clock with the store's own, if it has one, and logs a clock that is behind the newest entry: it is wrong
/// now, or was when the entry was made. Called before anything else reads the time, since a wrong wall clock is taken
/// for the time until the first comparison.
async fn check_clock(journal: &mut Journal, clock: &Clock) -> Result<(), JournalError> {
    compare_clocks(journal, clock).await?;
    let heads = journal.heads().await?;
    let newest = heads.values().filter(|head| head.seq > 0).map(|head| head.recorded).max().unwrap_or_default();
    let behind = newest - clock.now().micros();
    if behind > CLOCK_TOLERANCE {
        let seconds = behind / 1_000_000;
        tracing::error!(seconds, "the clock is behind the newest entry of the journal; set it right and start again");
    }
    Ok(())
}

/// Returns the hash of the administrator's token: of the given one, else of the one generated for this store, else, on
/// an embedded store, of one generated now, which is returned as well. A store without one is new, was made by a start that
/// broke off, or was used with a given token so far.
async fn admin(
    location: &Location,
    store: &Store,
    given: Option<&str>,
) -> Result<(Option<[u8; 32]>, Option<Secret>), BootError> {
    if let Some(token) = given {
        return Ok((Some(hash(token)), None));
    }
    if let Some(kept) = store.admin_hash().await? {
        let kept = kept.as_slice().try_into();
        let kept = kept.map_err(|_| StoreError::Unreadable(String::from("the administrator's token")))?;
        return Ok((Some(kept), None));
    }
    // Elsewhere there is no administrator until a token is set.
    if !matches!(location, Location::Folder(_)) {
        return Ok((None, None));
    }
    let secret = Secret::generate("ra");
    store.set_admin_hash(&secret.hash()).await?;
    Ok((Some(secret.hash()), Some(secret)))
}

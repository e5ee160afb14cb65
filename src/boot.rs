//! Before the service listens: take the store, bring every tenant's state up to the end of its journal.

mod loading;

use std::collections::HashMap;
use std::fs::File;
use std::time::Duration;

use metrics::gauge;

use crate::auth::KeyRing;
use crate::auth::secret::{Secret, hash};
use crate::clock::Clock;
use crate::domain::TenantId;
use crate::engine::replay::ReplayError;
use crate::journal::{Journal, JournalError};
use crate::live::State;
use crate::live::state::{APPLY_VERSION, BadRow};
use crate::store::{Location, ServerLock, Store, StoreError};

pub use loading::{Tenants, load};

/// How long another server's lock is waited for. One whose network went silent seems to be there until its session is
/// ended, which the settings of every connection let PostgreSQL do within 10 s.
const LOCK_TIMEOUT: Duration = Duration::from_secs(15);
/// Between two attempts at the lock.
const LOCK_INTERVAL: Duration = Duration::from_millis(100);

/// Why the service cannot start.
#[derive(Debug, thiserror::Error)]
pub enum BootError {
    /// Another server has the store.
    #[error("another server is running on this store ({0})")]
    Taken(String),
    /// The store does not answer, or holds what it should not.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Likewise the journal.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// Likewise a checkpoint.
    #[error(transparent)]
    Row(#[from] BadRow),
    /// Checkpoint and journal do not fit together.
    #[error(transparent)]
    Replay(#[from] ReplayError),
    /// The journal ends before the checkpoint. Going on would give positions a second time, and the state would pass
    /// over what they hold.
    #[error(
        "the journal of tenant {tenant} ends at {head}, before its checkpoint at {checkpoint}: the store lost what it \
         had acknowledged"
    )]
    Lost {
        /// Whose.
        tenant: TenantId,
        /// Where the journal ends.
        head: u64,
        /// Where the checkpoint stands.
        checkpoint: u64,
    },
}

/// A store that is ours, with everything in it brought to memory.
pub struct Booted {
    /// Tenants, keys and checkpoints.
    pub store: Store,
    /// The one journal.
    pub journal: Journal,
    /// Every tenant's state, but those in quarantine.
    pub states: HashMap<TenantId, State>,
    /// The tenants that cannot be loaded, and why: nothing may be written for them, and no answer given about them.
    pub quarantined: HashMap<TenantId, String>,
    /// Every key.
    pub ring: KeyRing,
    /// The administrator's token, if it was made just now: to be shown once.
    pub new_admin_token: Option<Secret>,
    /// Whether anybody can be administrator.
    pub has_admin: bool,
    /// Held for as long as the server runs.
    pub lock: Option<File>,
}

/// A store that is ours, and nothing read from it yet.
pub struct Taken {
    /// Tenants, keys and checkpoints.
    pub store: Store,
    /// The one journal.
    pub journal: Journal,
    /// Whether it was made just now.
    pub is_new: bool,
    /// Held for as long as the store is used.
    pub lock: Option<File>,
}

/// Takes the store, so that no server has it. The lock comes first: nothing is changed under a running server.
pub async fn take(location: &Location, clock: &Clock) -> Result<Taken, BootError> {
    let lock = take_lock(location, clock).await?;
    let (store, is_new) = Store::open_locked(location, &lock).await?;
    let (journal, lock) = store.locked_journal(lock, APPLY_VERSION).await?;
    Ok(Taken { store, journal, is_new, lock })
}

/// Takes the store and catches up.
pub async fn boot(location: &Location, admin_token: Option<&str>, clock: &Clock) -> Result<Booted, BootError> {
    let Taken { store, mut journal, is_new, lock } = take(location, clock).await?;
    let Tenants { states, quarantined } = load(&store, &mut journal).await?;
    gauge!("rollcall_quarantined_tenants").set(quarantined.len() as f64);
    let (admin, new_admin_token) = admin(location, &store, is_new, admin_token).await?;
    let has_admin = admin.is_some();
    let ring = KeyRing::load(store.clone(), admin, clock.clone()).await?;
    Ok(Booted { store, journal, states, quarantined, ring, new_admin_token, has_admin, lock })
}

async fn take_lock(location: &Location, clock: &Clock) -> Result<ServerLock, BootError> {
    let until = clock.monotonic() + LOCK_TIMEOUT;
    loop {
        match ServerLock::try_take(location).await? {
            Some(lock) => return Ok(lock),
            None if clock.monotonic() < until => tokio::time::sleep(LOCK_INTERVAL).await,
            None => {
                return Err(BootError::Taken(match location {
                    Location::Folder(folder) => folder.display().to_string(),
                    Location::Postgres(_) => String::from("PostgreSQL"),
                }));
            }
        }
    }
}

/// The hash of the administrator's token: the one given, else the one made for this store, else, on a new embedded
/// store, one made now.
async fn admin(
    location: &Location,
    store: &Store,
    is_new: bool,
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
    if !is_new || !matches!(location, Location::Folder(_)) {
        return Ok((None, None));
    }
    let secret = Secret::generate("ra");
    store.set_admin_hash(&secret.hash()).await?;
    Ok((Some(secret.hash()), Some(secret)))
}

//! Before the doors open: take the store, bring every tenant's state up to the end of its journal.

use std::collections::HashMap;
use std::fs::{File, TryLockError};
use std::path::PathBuf;
use std::time::Duration;

use crate::auth::KeyRing;
use crate::auth::secret::{Secret, hash};
use crate::clock::Clock;
use crate::domain::TenantId;
use crate::engine::replay::{ReplayError, catch_up};
use crate::journal::{Journal, JournalError};
use crate::live::State;
use crate::live::state::{APPLY_VERSION, BadRow};
use crate::store::{Location, Store, StoreError};

/// How long another server's hold on the store is waited out: one that was just killed may still seem to be there.
const TAKEN_PATIENCE: Duration = Duration::from_secs(5);

/// Why the service cannot start.
#[derive(Debug, thiserror::Error)]
pub enum BootError {
    /// Another server has the store.
    #[error("another server is running on this store ({0})")]
    Taken(String),
    /// The lock file cannot be used.
    #[error("the lock file {0} cannot be used: {1}")]
    Lock(PathBuf, std::io::Error),
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
    /// Every tenant's state.
    pub states: HashMap<TenantId, State>,
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

/// Takes the store, so that no server has it.
pub async fn take(location: &Location, clock: &Clock) -> Result<Taken, BootError> {
    let lock = take_folder(location, clock).await?;
    let (store, is_new) = Store::open(location).await?;
    let journal = take_journal(&store, clock).await?;
    Ok(Taken { store, journal, is_new, lock })
}

/// Takes the store and catches up.
pub async fn boot(location: &Location, admin_token: Option<&str>, clock: &Clock) -> Result<Booted, BootError> {
    let Taken { store, mut journal, is_new, lock } = take(location, clock).await?;
    let states = load(&store, &mut journal).await?;
    let (admin, new_admin_token) = admin(location, &store, is_new, admin_token).await?;
    let has_admin = admin.is_some();
    let ring = KeyRing::load(store.clone(), admin, clock.clone()).await?;
    Ok(Booted { store, journal, states, ring, new_admin_token, has_admin, lock })
}

/// One server a folder: the lock goes with the process, however it ends.
async fn take_folder(location: &Location, clock: &Clock) -> Result<Option<File>, BootError> {
    let Location::Folder(folder) = location else { return Ok(None) };
    std::fs::create_dir_all(folder).map_err(|error| StoreError::Folder(folder.clone(), error))?;
    let path = folder.join("rollcall.lock");
    let refused = |error| BootError::Lock(path.clone(), error);
    let file = File::options().create(true).truncate(false).write(true).open(&path).map_err(refused)?;
    let until = clock.monotonic() + TAKEN_PATIENCE;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(Some(file)),
            Err(TryLockError::WouldBlock) if clock.monotonic() < until => {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            Err(TryLockError::WouldBlock) => return Err(BootError::Taken(folder.display().to_string())),
            Err(TryLockError::Error(error)) => return Err(refused(error)),
        }
    }
}

async fn take_journal(store: &Store, clock: &Clock) -> Result<Journal, BootError> {
    let until = clock.monotonic() + TAKEN_PATIENCE;
    loop {
        match store.journal(APPLY_VERSION).await {
            Err(JournalError::Taken) if clock.monotonic() < until => {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            Err(JournalError::Taken) => return Err(BootError::Taken(String::from("PostgreSQL"))),
            other => return Ok(other?),
        }
    }
}

/// Each tenant's checkpoint, and the journal's entries after it.
pub async fn load(store: &Store, journal: &mut Journal) -> Result<HashMap<TenantId, State>, BootError> {
    let mut states = HashMap::new();
    for (tenant, head) in journal.heads().await? {
        let mut state = match store.load_checkpoint(tenant).await? {
            Some(loaded) => State::load(tenant, loaded.position, loaded.rows)?,
            None => State::new(tenant),
        };
        let from = state.position();
        if from > head.seq {
            return Err(BootError::Lost { tenant, head: head.seq, checkpoint: from });
        }
        catch_up(&mut state, journal, tenant, head.seq).await?;
        tracing::debug!(%tenant, checkpoint = from, position = state.position(), "tenant loaded");
        states.insert(tenant, state);
    }
    Ok(states)
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

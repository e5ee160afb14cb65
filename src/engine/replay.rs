//! Applies the journal entries beyond a state: at the start, after an outage of the store, and in `rollcall verify`.

use std::time::Duration;

use uuid::Uuid;

use crate::domain::{Entry, Outcome, TenantId};
use crate::journal::{Head, Journal, JournalError, Logged};
use crate::lifecycle::Lifecycle;
use crate::live::State;
use crate::live::state::{BadCheckpoint, Gap};
use crate::store::{Store, StoreError, StoredCheckpoint};

/// Entries read in one query.
const PAGE_ENTRIES: u32 = 2_000;
/// The longest wait for an answer of the store, but for an append and for a checkpoint.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);
/// The longest wait for a checkpoint.
const LOAD_TIMEOUT: Duration = Duration::from_secs(30);

/// The newest entry of a state or of a journal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tail {
    /// Its position; 0 for none.
    pub seq: u64,
    /// The batch that appended it, if known.
    pub batch: Option<Uuid>,
}

impl From<Head> for Tail {
    fn from(head: Head) -> Self {
        Tail { seq: head.seq, batch: head.tail }
    }
}

impl Tail {
    /// Returns the newest entry that is applied to a state.
    pub fn of(state: &State) -> Self {
        Tail { seq: state.position(), batch: state.batch() }
    }

    /// Returns [`Diverged`] if the journal's entry at this position is of another batch, `found`.
    pub fn check(self, found: Option<Uuid>) -> Result<(), Diverged> {
        match (self.batch, found) {
            (Some(ours), Some(found)) if ours != found => Err(Diverged { at: self.seq }),
            // Older releases did not store batches.
            _ => Ok(()),
        }
    }
}

/// Error: the journal has another entry than the state at this position. The store lost what it had acknowledged, and
/// went on with other entries, as after a failover to a server that was behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the entry at {at} is not the one that was applied: the journal lost history and continued with another")]
pub struct Diverged {
    /// Position of the entry.
    pub at: u64,
}

/// The reason why a tenant's journal cannot be applied to its end.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The next entry does not follow the state's position.
    #[error(transparent)]
    Gap(#[from] Gap),
    /// The journal is not the one that produced the state.
    #[error(transparent)]
    Diverged(#[from] Diverged),
    /// The journal failed, or has an entry that this release cannot read.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

impl ReplayError {
    /// Returns true if a tenant's stored entries are at fault, rather than the store.
    pub const fn is_tenants(error: &JournalError) -> bool {
        matches!(error, JournalError::Version { .. } | JournalError::Unreadable { .. })
    }
}

/// Waits for an answer of the store, for at most [`ANSWER_TIMEOUT`].
pub(super) async fn in_time<T, E: From<JournalError>>(asking: impl Future<Output = Result<T, E>>) -> Result<T, E> {
    tokio::time::timeout(ANSWER_TIMEOUT, asking).await.map_err(|_| JournalError::TimedOut)?
}

/// Reads the next entries after `from`, up to `to`, which is beyond it: at least one, and as many as one reading of the
/// journal returns. [`Gap`] if the next one is missing, [`Diverged`] if the journal has another entry than `from` at its
/// position.
pub async fn next_entries(
    journal: &mut Journal,
    tenant: TenantId,
    from: Tail,
    to: u64,
) -> Result<Vec<Logged>, ReplayError> {
    // The entry before is read as well, to compare its batch. It may have been deleted, as a checkpoint covers it.
    let mut after = if from.batch.is_some() { from.seq.saturating_sub(1) } else { from.seq };
    loop {
        // Not beyond `to`: the engine may be about to apply later entries from memory, and none may be applied twice.
        let limit = u32::try_from(to - after).unwrap_or(PAGE_ENTRIES).min(PAGE_ENTRIES);
        let mut entries = journal.read(tenant, after, limit).await?;
        if let Some(compared) = entries.first().filter(|logged| logged.entry.seq == from.seq) {
            from.check(compared.batch)?;
            entries.remove(0);
            if entries.is_empty() && after < from.seq && from.seq < to {
                // The compared entry alone fills a reading.
                after = from.seq;
                continue;
            }
        }
        return match entries.first().map(|logged| logged.entry.seq) {
            Some(next) if next == from.seq + 1 => Ok(entries),
            next => Err(Gap { at: from.seq, next: next.unwrap_or(to) }.into()),
        };
    }
}

/// Reads the entries after `from`, up to `to`, and calls `apply` with each, in order. [`Gap`] if there are fewer,
/// [`Diverged`] if the journal has another entry than `from` at its position. Nothing is read if both are at one position.
pub async fn replay(
    journal: &mut Journal,
    tenant: TenantId,
    from: Tail,
    to: Tail,
    mut apply: impl FnMut(Logged) -> Result<(), ReplayError>,
) -> Result<(), ReplayError> {
    if from.seq == to.seq {
        return Ok(from.check(to.batch)?);
    }
    let mut at = from;
    while at.seq < to.seq {
        for logged in next_entries(journal, tenant, at, to.seq).await? {
            // Compared once, at the first entry: what follows was read with it.
            at = Tail { seq: logged.entry.seq, batch: None };
            apply(logged)?;
        }
    }
    Ok(())
}

/// Loads a tenant's checkpoint again, whose state fell behind the entries that the journal keeps. `None` if there is no
/// checkpoint beyond `position`, or if it cannot be read: the entries in between are lost then.
pub(super) async fn load_again(
    store: &Store,
    lifecycle: &Lifecycle,
    tenant: TenantId,
    position: u64,
) -> Result<Option<State>, JournalError> {
    let loaded = load_stored(store, lifecycle, tenant).await?;
    Ok(loaded.ok().flatten().filter(|state| state.position() > position))
}

/// Loads a tenant again whose state has entries that the journal lost: from its checkpoint, or from the journal's beginning
/// without one. The inner error is the reason why the tenant cannot be served.
pub(super) async fn reload(
    journal: &mut Journal,
    store: &Store,
    lifecycle: &Lifecycle,
    tenant: TenantId,
) -> Result<Result<State, String>, JournalError> {
    let state = match load_stored(store, lifecycle, tenant).await? {
        Ok(stored) => stored.unwrap_or_else(|| State::new(tenant)),
        Err(reason) => return Ok(Err(reason)),
    };
    // Read after the checkpoint, which is never beyond the head that its transaction found.
    let heads = in_time(journal.heads_of(&[tenant])).await?;
    let head = heads.get(&tenant).map_or(0, |head| head.seq);
    if state.position() > head {
        return Ok(Err(format!("the journal ends at {head}, before the checkpoint at {}", state.position())));
    }
    Ok(Ok(state))
}

/// Returns the state of a stored checkpoint.
pub fn decode(tenant: TenantId, stored: StoredCheckpoint) -> Result<State, BadCheckpoint> {
    let StoredCheckpoint { position, batch, rows } = stored;
    let mut state = State::load(tenant, position, rows)?;
    state.set_batch(batch);
    Ok(state)
}

/// Loads a tenant's checkpoint; `None` if it has none. The inner error is the reason why it cannot be read.
async fn load_stored(
    store: &Store,
    lifecycle: &Lifecycle,
    tenant: TenantId,
) -> Result<Result<Option<State>, String>, JournalError> {
    let unreadable = |error: String| {
        tracing::error!(error, %tenant, "the tenant's checkpoint cannot be read");
        Ok(Err(error))
    };
    let stored = match tokio::time::timeout(LOAD_TIMEOUT, store.load_checkpoint(tenant)).await {
        Ok(Ok(Some(stored))) => stored,
        Ok(Ok(None)) => return Ok(Ok(None)),
        Ok(Err(StoreError::Sql(error))) if !StoreError::is_content(&error) => return Err(error.into()),
        Ok(Err(error)) => return unreadable(error.to_string()),
        Err(_) => return Err(JournalError::TimedOut),
    };
    // Decoding takes a core for a while.
    let decoding = lifecycle.spawn_blocking((), move || decode(tenant, stored));
    match decoding.await {
        Ok(Ok(state)) => Ok(Ok(Some(state))),
        Ok(Err(error)) => unreadable(error.to_string()),
        Err(error) => unreadable(error.to_string()),
    }
}

/// Applies a tenant's journal entries beyond `state`, up to `to`, and calls `applied` with each entry and its
/// outcome.
pub async fn catch_up(
    state: &mut State,
    journal: &mut Journal,
    tenant: TenantId,
    to: Tail,
    mut applied: impl FnMut(&Entry, &Outcome),
) -> Result<(), ReplayError> {
    let from = Tail::of(state);
    let apply = |logged: Logged| {
        let outcome = state.apply(&logged.entry)?;
        state.set_batch(logged.batch);
        applied(&logged.entry, &outcome);
        Ok(())
    };
    replay(journal, tenant, from, to, apply).await
}

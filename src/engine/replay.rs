//! Applies the journal entries beyond a state: at the start, after an outage of the store, and in `rollcall verify`.

use uuid::Uuid;

use crate::domain::{Entry, Outcome, TenantId};
use crate::journal::{Head, Journal, JournalError, Logged};
use crate::live::State;
use crate::live::state::Gap;

/// Entries read in one query.
const PAGE_ENTRIES: u32 = 2_000;

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
    fn check(self, found: Option<Uuid>) -> Result<(), Diverged> {
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

/// Reads the entries after `from`, up to `to`, and calls `apply` with each, in order. [`Gap`] if there are fewer,
/// [`Diverged`] if the journal has another entry than `from` at its position. Nothing is read if both are at one position.
pub async fn replay(
    journal: &mut Journal,
    tenant: TenantId,
    from: Tail,
    to: Tail,
    mut apply: impl FnMut(Logged) -> Result<(), Gap>,
) -> Result<(), ReplayError> {
    if from.seq == to.seq {
        return Ok(from.check(to.batch)?);
    }
    let to = to.seq;
    // The entry before is read as well, to compare its batch. It may have been deleted, as a checkpoint covers it.
    let mut at = if from.batch.is_some() { from.seq.saturating_sub(1) } else { from.seq };
    while at < to {
        // Not beyond `to`: the engine may be about to apply later entries from memory, and none may be applied twice.
        let limit = u32::try_from(to - at).unwrap_or(PAGE_ENTRIES).min(PAGE_ENTRIES);
        let entries = journal.read(tenant, at, limit).await?;
        if entries.is_empty() {
            return Err(Gap { at, next: to }.into());
        }
        for logged in entries {
            at = logged.entry.seq;
            if at == from.seq {
                from.check(logged.batch)?;
            } else {
                apply(logged)?;
            }
        }
    }
    Ok(())
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

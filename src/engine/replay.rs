//! Applies the journal entries beyond a state: at the start, after an outage of the store, and in `rollcall verify`.

use crate::domain::{Entry, Outcome, TenantId};
use crate::journal::{Journal, JournalError, Logged};
use crate::live::State;
use crate::live::state::Gap;

/// Entries read in one query.
const PAGE_ENTRIES: u32 = 2_000;

/// The reason why a tenant's journal cannot be applied to its end.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The next entry does not follow the state's position.
    #[error(transparent)]
    Gap(#[from] Gap),
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

/// Reads the entries after position `from`, up to `to`, and calls `apply` with each, in order. [`Gap`] if there are
/// fewer.
pub async fn replay(
    journal: &mut Journal,
    tenant: TenantId,
    from: u64,
    to: u64,
    mut apply: impl FnMut(Logged) -> Result<(), Gap>,
) -> Result<(), ReplayError> {
    let mut at = from;
    while at < to {
        // Not beyond `to`: the engine may be about to apply later entries from memory, and none may be applied twice.
        let limit = u32::try_from(to - at).unwrap_or(PAGE_ENTRIES).min(PAGE_ENTRIES);
        let entries = journal.read(tenant, at, limit).await?;
        if entries.is_empty() {
            return Err(Gap { at, next: to }.into());
        }
        for logged in entries {
            at = logged.entry.seq;
            apply(logged)?;
        }
    }
    Ok(())
}

/// Applies a tenant's journal entries beyond `state`, up to position `to`, and calls `applied` with each entry and its
/// outcome.
pub async fn catch_up(
    state: &mut State,
    journal: &mut Journal,
    tenant: TenantId,
    to: u64,
    mut applied: impl FnMut(&Entry, &Outcome),
) -> Result<(), ReplayError> {
    let from = state.position();
    let apply = |logged: Logged| {
        let outcome = state.apply(&logged.entry)?;
        applied(&logged.entry, &outcome);
        Ok(())
    };
    replay(journal, tenant, from, to, apply).await
}

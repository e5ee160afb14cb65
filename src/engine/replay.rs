//! Applying what the journal holds beyond a state: at the start, after a store was away, and to verify.

use crate::domain::TenantId;
use crate::journal::{Journal, JournalError, Logged};
use crate::live::State;
use crate::live::state::Gap;

/// Entries read at once.
const PIECE: u32 = 2_000;

/// Why a tenant's journal cannot be applied to its end.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The journal does not go on where the state stands.
    #[error(transparent)]
    Gap(#[from] Gap),
    /// The journal failed, or holds what this release cannot read.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

impl ReplayError {
    /// Whether a tenant's stored entries are at fault, rather than the store.
    pub const fn is_tenants(error: &JournalError) -> bool {
        matches!(error, JournalError::Version { .. } | JournalError::Unreadable { .. })
    }
}

/// Hands the entries after position `from`, up to `to`, to `apply`, in order.
pub async fn replay(
    journal: &mut Journal,
    tenant: TenantId,
    (from, to): (u64, u64),
    mut apply: impl FnMut(Logged) -> Result<(), Gap>,
) -> Result<(), ReplayError> {
    let mut at = from;
    while at < to {
        // No further than `to`: entries that follow it may be on their way to the state already.
        let limit = u32::try_from(to - at).unwrap_or(PIECE).min(PIECE);
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

/// Applies a tenant's journal to `state`, up to position `to`.
pub async fn catch_up(state: &mut State, journal: &mut Journal, tenant: TenantId, to: u64) -> Result<(), ReplayError> {
    let from = state.position();
    replay(journal, tenant, (from, to), |logged| state.apply(&logged.entry).map(drop)).await
}

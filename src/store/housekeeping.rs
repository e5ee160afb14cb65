//! Housekeeping: what may be deleted, a few rows at a time, each tenant in its turn.

use super::{Store, StoreError, on_backend};
use crate::domain::{TenantId, Time};

/// What may be deleted: everything of before these times.
#[derive(Clone, Copy, Debug)]
pub struct Expiry {
    /// Event ids, once repeats are no longer looked for.
    pub seen: Time,
    /// Journal entries, once a checkpoint covers them.
    pub journal: Time,
    /// Tokens, once they ran out.
    pub tokens: Time,
    /// Closed conversations, once as many days have passed by then as their tenant keeps them.
    pub conversations: Time,
}

/// Rows of one kind that may be deleted, in any number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chore {
    /// Event ids recorded before a time.
    Seen(Time),
    /// Tokens that ran out before a time.
    Tokens(Time),
    /// A tenant's journal entries that its checkpoint covers and that were recorded before a time.
    Journal(TenantId, Time),
    /// A tenant's archived conversations that closed before a time.
    Archive(TenantId, Time),
}

impl Store {
    /// What there may be to delete now. Reads, and writes nothing.
    pub async fn chores(&self, expiry: Expiry) -> Result<Vec<Chore>, StoreError> {
        let mut chores = vec![Chore::Seen(expiry.seen), Chore::Tokens(expiry.tokens)];
        let journals = on_backend!(self, store => store.overlong_journals(expiry.journal).await)?;
        chores.extend(journals.into_iter().map(|tenant| Chore::Journal(tenant, expiry.journal)));
        let archives = on_backend!(self, store => store.archive_days().await)?;
        let archives = archives.into_iter().map(|(tenant, days)| {
            Chore::Archive(tenant, expiry.conversations.plus_seconds(-24 * 60 * 60 * i64::from(days)))
        });
        chores.extend(archives);
        Ok(chores)
    }

    /// Deletes at most `limit` rows, in one statement. Returns how many: fewer than `limit` if that was all.
    pub async fn forget(&self, chore: Chore, limit: u32) -> Result<u64, StoreError> {
        on_backend!(self, store => store.forget(chore, limit).await)
    }
}

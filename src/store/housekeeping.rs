//! Housekeeping: deletes rows past their retention, and those of deleted tenants, a few at a time.

use super::{Store, StoreError, on_backend};
use crate::domain::{TenantId, Time};

/// The times before which rows may be deleted.
#[derive(Clone, Copy, Debug)]
pub struct Expiry {
    /// Event ids recorded before this time.
    pub seen: Time,
    /// Journal entries recorded before this time, if a checkpoint covers them.
    pub journal: Time,
    /// Tokens and tickets that expired before this time.
    pub tokens: Time,
    /// The time from which each tenant's retention of closed conversations is counted back.
    pub conversations: Time,
}

/// Rows of one kind that may be deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chore {
    /// Event ids recorded before a time.
    Seen(Time),
    /// Tokens that expired before a time.
    Tokens(Time),
    /// Tickets that expired before a time.
    Tickets(Time),
    /// A tenant's journal entries that were recorded before a time and that its checkpoint covers.
    Journal(TenantId, Time),
    /// A tenant's archived conversations that closed before a time.
    Archive(TenantId, Time),
    /// Every row of a deleted tenant.
    Deleted(TenantId),
}

impl Chore {
    /// Returns true if rows may be left after a call of [`Store::forget`] with this limit deleted `rows` rows.
    pub fn is_left(self, rows: u64, limit: u32) -> bool {
        match self {
            // One table after the other: a call deletes rows of one of them.
            Chore::Deleted(_) => rows > 0,
            Chore::Seen(_) | Chore::Tokens(_) | Chore::Tickets(_) | Chore::Journal(..) | Chore::Archive(..) => {
                rows >= u64::from(limit)
            }
        }
    }
}

impl Store {
    /// Lists the chores that may have rows to delete. Writes nothing.
    pub async fn chores(&self, expiry: Expiry) -> Result<Vec<Chore>, StoreError> {
        let mut chores = vec![Chore::Seen(expiry.seen), Chore::Tokens(expiry.tokens)];
        if self.ticket_rows().is_some() {
            chores.push(Chore::Tickets(expiry.tokens));
        }
        let journals = on_backend!(self, store => store.overlong_journals(expiry.journal).await)?;
        chores.extend(journals.into_iter().map(|tenant| Chore::Journal(tenant, expiry.journal)));
        let archives = on_backend!(self, store => store.archive_days().await)?;
        let archives = archives.into_iter().map(|(tenant, days)| {
            Chore::Archive(tenant, expiry.conversations.plus_seconds(-24 * 60 * 60 * i64::from(days)))
        });
        chores.extend(archives);
        chores.extend(self.deletions().await?);
        Ok(chores)
    }

    /// Lists the deleted tenants that have rows left, as chores.
    pub async fn deletions(&self) -> Result<Vec<Chore>, StoreError> {
        Ok(self.deleted_tenants().await?.into_iter().map(Chore::Deleted).collect())
    }

    /// Deletes at most `limit` rows of a chore in one statement. Returns their number, by which [`Chore::is_left`] shows
    /// whether there may be more.
    pub async fn forget(&self, chore: Chore, limit: u32) -> Result<u64, StoreError> {
        on_backend!(self, store => store.forget(chore, limit).await)
    }
}

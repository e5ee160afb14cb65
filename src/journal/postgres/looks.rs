//! Sessions beside the one that holds the lock: for looks at the heads of the journals, and for appends that wait.

use std::collections::HashMap;

use uuid::Uuid;

use super::{PostgresJournal, Sessions, Signals, head};
use crate::domain::TenantId;
use crate::journal::{Head, JournalError};

/// The longest wait for a head that another session has locked, in milliseconds.
const HEAD_TIMEOUT: &str = "1000";

impl PostgresJournal {
    /// Returns a handle without the lock, which connects at its first [`PostgresJournal::recover`], and the notifications
    /// of this server.
    pub(in crate::journal) fn follower(&self) -> (Self, Signals) {
        let signals = Signals::new(self.sessions.clone(), self.replica);
        (self.without_lock(self.sessions.clone(), false), signals)
    }

    /// Returns a handle without the lock whose appends wait for a locked head, up to [`HEAD_TIMEOUT`].
    pub(in crate::journal) fn alone(&self) -> Self {
        self.without_lock(self.sessions.clone().with([("lock_timeout", HEAD_TIMEOUT)]), true)
    }

    fn without_lock(&self, sessions: Sessions, waits: bool) -> Self {
        let PostgresJournal { apply_version, replica, .. } = *self;
        PostgresJournal { sessions, session: None, last: None, apply_version, replica, lock: None, waits }
    }

    pub(in crate::journal) async fn heads_of(
        &mut self,
        tenants: &[TenantId],
    ) -> Result<HashMap<TenantId, Head>, JournalError> {
        let tenants: Vec<Uuid> = tenants.iter().map(|tenant| tenant.0).collect();
        let mut session = self.session()?;
        let rows =
            sqlx::query_as("SELECT tenant, seq, recorded, tail, apply_version FROM head WHERE tenant = ANY ($1)");
        let rows = rows.bind(tenants).fetch_all(&mut session).await;
        Ok(self.keep(session, rows)?.into_iter().map(head).collect())
    }

    pub(in crate::journal) async fn deleted(&mut self, tenants: &[TenantId]) -> Result<Vec<TenantId>, JournalError> {
        let missing = self.missing(tenants.iter().map(|tenant| tenant.0)).await?;
        let deleted = missing.into_iter().filter(|(_, placement)| *placement == crate::journal::Placement::Deleted);
        Ok(deleted.map(|(tenant, _)| tenant).collect())
    }
}

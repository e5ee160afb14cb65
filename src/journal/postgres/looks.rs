//! Looks at the heads of the journals, on a session that appends nothing and holds no lock.

use std::collections::HashMap;

use uuid::Uuid;

use super::{PostgresJournal, Signals, head};
use crate::domain::TenantId;
use crate::journal::{Head, JournalError};

impl PostgresJournal {
    /// Returns a handle without the lock, which connects at its first [`PostgresJournal::recover`], and the notifications
    /// of this server.
    pub(in crate::journal) fn follower(&self) -> (Self, Signals) {
        let PostgresJournal { sessions, apply_version, replica, .. } = self;
        let (sessions, apply_version, replica) = (sessions.clone(), *apply_version, *replica);
        let signals = Signals::new(sessions.clone(), replica);
        (PostgresJournal { sessions, session: None, last: None, apply_version, replica, lock: None }, signals)
    }

    pub(in crate::journal) async fn heads_of(
        &mut self,
        tenants: &[TenantId],
    ) -> Result<HashMap<TenantId, Head>, JournalError> {
        let tenants: Vec<Uuid> = tenants.iter().map(|tenant| tenant.0).collect();
        let mut session = self.session()?;
        let rows = sqlx::query_as("SELECT tenant, seq, recorded, tail FROM head WHERE tenant = ANY ($1)");
        let rows = rows.bind(tenants).fetch_all(&mut session).await;
        Ok(self.keep(session, rows)?.into_iter().map(head).collect())
    }

    pub(in crate::journal) async fn deleted(&mut self, tenants: &[TenantId]) -> Result<Vec<TenantId>, JournalError> {
        let missing = self.missing(tenants.iter().map(|tenant| tenant.0)).await?;
        let deleted = missing.into_iter().filter(|(_, placement)| *placement == crate::journal::Placement::Deleted);
        Ok(deleted.map(|(tenant, _)| tenant).collect())
    }
}

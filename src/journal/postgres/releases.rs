//! Taking over tenants from an older release.

use uuid::Uuid;

use super::PostgresJournal;
use crate::domain::TenantId;
use crate::journal::JournalError;

/// Raises the heads that the stored checkpoints are at. A head is locked before it is compared: an append of the older
/// release that was under way is seen, and leaves the head where it is. A checkpoint only goes forward, and never beyond the
/// head, so that one that is read before still says what is compared.
const RAISE: &str = "
WITH settled AS (
    SELECT head.tenant FROM head JOIN checkpoint USING (tenant)
    WHERE head.tenant = ANY ($1) AND head.apply_version < $2 AND head.seq > 0
      AND checkpoint.position = head.seq AND (checkpoint.batch = head.tail OR checkpoint.batch IS NULL OR head.tail IS NULL)
    ORDER BY head.tenant FOR UPDATE OF head SKIP LOCKED
)
UPDATE head SET apply_version = $2 FROM settled WHERE head.tenant = settled.tenant RETURNING head.tenant";

impl PostgresJournal {
    pub(in crate::journal) async fn raise(&mut self, tenants: &[TenantId]) -> Result<Vec<TenantId>, JournalError> {
        let tenants: Vec<Uuid> = tenants.iter().map(|tenant| tenant.0).collect();
        let mut session = self.session()?;
        let raised = sqlx::query_scalar(RAISE).bind(tenants).bind(self.apply_version as i32);
        let raised = raised.fetch_all(&mut session).await;
        let raised: Vec<Uuid> = self.keep(session, raised)?;
        Ok(raised.into_iter().map(TenantId).collect())
    }
}

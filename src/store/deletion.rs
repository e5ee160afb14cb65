//! Deletes tenants: one transaction after which no reader finds the tenant, then its rows in slices.
//!
//! The first transaction marks the tenant's row and deletes its head, so that nothing can be appended any more. Name and
//! settings are cleared with it. The row itself is deleted last: rows that a checkpoint under way still adds refer to it,
//! and none can be added afterwards.

use super::{Store, StoreError, on_backend};
use crate::domain::{TenantId, Time};

/// A statement that deletes rows of one tenant in one table.
pub(super) struct Step {
    /// The table.
    pub table: &'static str,
    /// Deletes a slice, or changes it so that it names the tenant no more. Its first parameter is the tenant.
    pub sql: &'static str,
    /// True if the second and third parameters are the most rows and the bytes at which a slice ends.
    pub is_slice: bool,
}

impl Step {
    /// A step that deletes a slice of the rows.
    pub const fn slice(table: &'static str, sql: &'static str) -> Self {
        Step { table, sql, is_slice: true }
    }

    /// A step with a statement that is bounded by itself.
    pub const fn whole(table: &'static str, sql: &'static str) -> Self {
        Step { table, sql, is_slice: false }
    }
}

impl Store {
    /// Deletes a tenant: afterwards it has no name, no settings and no position in the journal, and its credentials are
    /// invalid. Its rows are deleted by [`Store::forget`]. Returns false for an unknown tenant.
    pub async fn delete_tenant(&self, tenant: TenantId, now: Time) -> Result<bool, StoreError> {
        on_backend!(self, store => store.delete_tenant(tenant, now).await)
    }

    /// Returns the deleted tenants that have rows left.
    pub async fn deleted_tenants(&self) -> Result<Vec<TenantId>, StoreError> {
        on_backend!(self, store => store.deleted_tenants().await)
    }

    /// Returns the tables that the deletion of a tenant clears of its rows, the tenant's own among them.
    pub fn tables_of_tenants(&self) -> Vec<&'static str> {
        let steps = on_backend!(self, store => store.deletion_steps());
        steps.iter().map(|step| step.table).collect()
    }
}

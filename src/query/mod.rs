//! The read use cases, one per file. [`open`] takes the one view that a query then projects, for an
//! authorized caller.

pub mod agent_monitor;
pub mod agents_availability;
pub mod breakdown;
pub mod connected_users;
pub mod conversations;
pub mod count_agents;
pub mod directory;
pub mod groupings;
pub mod keys;
pub mod log_ins;
pub mod logged_in;
pub mod people;
pub mod reference;
pub mod routing;
pub mod state;
pub mod user_activity;

use crate::auth::{Admin, Authorized, Privilege};
use crate::domain::filter::{Clause, TextField};
use crate::domain::{Fault, Filter, TenantId};
use crate::engine::{Reader, Snapshot};
use crate::live::View;
use crate::projection::roster::{Connection, roster_size};

/// The most rows of an answer that is built on the threads that answer requests. Longer ones take milliseconds.
pub const INLINE_ROWS: usize = 1_000;

/// A caller's requirements on the view of a read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Freshness {
    /// The least position, which is waited for.
    pub min_position: Option<u64>,
    /// The most milliseconds since the state was last confirmed to be current.
    pub max_staleness_ms: Option<u64>,
}

/// Takes the one view that the whole answer comes from; [`Fault::Unavailable`] if the requirements are not met.
pub async fn open<P: Privilege>(
    reader: &Reader,
    caller: &Authorized<P>,
    freshness: Freshness,
) -> Result<Snapshot, Fault> {
    take(reader, caller.tenant(), freshness).await
}

/// Takes a view of any tenant for the administrator, as [`open`] does for a caller.
pub async fn open_tenant(
    _: &Admin,
    reader: &Reader,
    tenant: TenantId,
    freshness: Freshness,
) -> Result<Snapshot, Fault> {
    take(reader, tenant, freshness).await
}

async fn take(reader: &Reader, tenant: TenantId, freshness: Freshness) -> Result<Snapshot, Fault> {
    let snapshot = match freshness.min_position {
        Some(position) => reader.snapshot_at(tenant, position).await?,
        None => reader.snapshot(tenant)?,
    };
    // Measured after the wait for the position, which may have taken a quarter of a second.
    if freshness.max_staleness_ms.is_some_and(|max| !snapshot.is_current(max)) {
        return Err(Fault::Unavailable("the state is too old to be relied on"));
    }
    Ok(snapshot)
}

/// Returns true if a list of these users is long, or takes long to find. It must then be made outside of the threads
/// that answer requests.
pub fn is_long_list(view: &View, filter: &Filter, connection: Connection) -> bool {
    if view.directory().users().len() <= INLINE_ROWS {
        return false;
    }
    // A name is compared with the name of every user; all other clauses are intersections of bitmaps.
    let is_search = filter.clauses().iter().any(|clause| matches!(clause, Clause::Text(TextField::Name, _)));
    is_search || roster_size(view, filter, connection) > INLINE_ROWS
}

//! What callers want to know: one question a file. [`open`] authorises and takes the one view; a question projects it.

pub mod agent_monitor;
pub mod agents_availability;
pub mod connected_users;
pub mod conversations;
pub mod count_agents;
pub mod directory;
pub mod groupings;
pub mod keys;
pub mod logged_in;
pub mod people;
pub mod reference;
pub mod routing_rule;
pub mod user_activity;

use crate::auth::Caller;
use crate::domain::filter::{Clause, TextField};
use crate::domain::{Fault, Filter, Scope};
use crate::engine::{Reader, Snapshot};
use crate::live::View;
use crate::projection::roster::{Connection, roster_size};

/// Rows that are found and written where every request is answered. More of them take milliseconds.
pub const SHORT: usize = 1_000;

/// What a read asks of the view it is answered from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Freshness {
    /// The position to wait for.
    pub min_position: Option<u64>,
    /// Refuse rather than answer from a state that was not confirmed for so many milliseconds.
    pub max_staleness_ms: Option<u64>,
}

/// Authorises the caller and takes the one view that the whole answer comes from.
pub async fn open(reader: &Reader, caller: &Caller, scope: Scope, freshness: Freshness) -> Result<Snapshot, Fault> {
    caller.require(scope)?;
    let snapshot = match freshness.min_position {
        Some(position) => reader.snapshot_at(caller.tenant(), position).await?,
        None => reader.snapshot(caller.tenant()),
    };
    if freshness.max_staleness_ms.is_some_and(|max| snapshot.staleness_ms > max) {
        return Err(Fault::Unavailable("the state is too old to be relied on"));
    }
    Ok(snapshot)
}

/// Whether a list of these users is long, or takes long to find: then it is not to be made where every request is
/// answered.
pub fn is_long_list(view: &View, filter: &Filter, connection: Connection) -> bool {
    if view.directory().users().len() <= SHORT {
        return false;
    }
    // A name is compared with that of every user; all other clauses are combined bit by bit.
    let is_search = filter.clauses().iter().any(|clause| matches!(clause, Clause::Text(TextField::Name, _)));
    is_search || roster_size(view, filter, connection) > SHORT
}

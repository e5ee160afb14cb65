//! The position of a tenant's state, and a digest of all of it.

use uuid::Uuid;

use crate::domain::{Fault, TenantId, Time};
use crate::engine::{Reader, Snapshot};
use crate::live::State;

/// The state of a tenant as one server has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateSummary {
    /// Position of the newest entry in it; 0 for a new tenant.
    pub position: u64,
    /// Recorded time of that entry; `None` for a new tenant.
    pub recorded: Option<Time>,
    /// The server, by an id that is made at each of its starts.
    pub replica: Uuid,
    /// Equal for equal states, and only for those ([`State::digest`]); `None` if it was not asked for.
    pub digest: Option<String>,
}

/// Returns the position of a snapshot.
pub fn summary(reader: &Reader, snapshot: &Snapshot) -> StateSummary {
    let recorded = Some(snapshot.view.recorded()).filter(|recorded| *recorded != Time::NEVER);
    StateSummary { position: snapshot.view.position(), recorded, replica: reader.replica(), digest: None }
}

/// Returns a copy of the tenant's state, at the position of `snapshot` or a later one, for [`summary_of`].
pub async fn state(reader: &Reader, tenant: TenantId, snapshot: &Snapshot) -> Result<State, Fault> {
    match reader.state(tenant).await {
        Some(state) => Ok(state),
        None if snapshot.view.position() == 0 => Ok(State::new(tenant)),
        // Deleted or quarantined meanwhile, which a new snapshot says; or the service ends.
        None => Err(reader.snapshot(tenant).err().unwrap_or(Fault::Unavailable("the service is stopping"))),
    }
}

/// Returns the position and the digest of a state. Takes about a second for each million users.
pub fn summary_of(state: &State, replica: Uuid) -> StateSummary {
    let recorded = Some(state.recorded()).filter(|recorded| *recorded != Time::NEVER);
    StateSummary { position: state.position(), recorded, replica, digest: Some(state.digest()) }
}

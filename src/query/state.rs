//! The position of a tenant's state, a digest of all of it, and the check of what is derived from it.

pub mod newest;
pub mod self_check;
mod walk;

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

impl StateSummary {
    /// Makes a summary without a digest. `recorded` is [`Time::NEVER`] for a new tenant.
    pub fn new(position: u64, recorded: Time, replica: Uuid) -> Self {
        let recorded = Some(recorded).filter(|recorded| *recorded != Time::NEVER);
        StateSummary { position, recorded, replica, digest: None }
    }

    /// Makes a summary with the digest of a state, which takes about a second for each million users.
    pub fn with_digest(state: &State, replica: Uuid) -> Self {
        let digest = Some(state.digest());
        StateSummary { digest, ..StateSummary::new(state.position(), state.recorded(), replica) }
    }
}

/// Returns a copy of the tenant's state, at the position of `snapshot` or a later one, for its digest and its check.
pub async fn state(reader: &Reader, tenant: TenantId, snapshot: &Snapshot) -> Result<State, Fault> {
    match reader.state(tenant).await? {
        Some(state) => Ok(state),
        None if snapshot.view.position() == 0 => Ok(State::new(tenant)),
        // Deleted or quarantined meanwhile, which a new snapshot says.
        None => Err(reader.snapshot(tenant).err().unwrap_or(Fault::Unavailable("the service is stopping"))),
    }
}

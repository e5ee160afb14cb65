//! A desk, an ACD or a back end reports what happened.

use crate::auth::Caller;
use crate::domain::{Event, Fault, Scope};
use crate::engine::{Receipt, Submitter};

/// Commits the caller's events; one transaction, one outcome each.
pub async fn post_events(caller: &Caller, submitter: &Submitter, events: Vec<Event>) -> Result<Receipt, Fault> {
    caller.require(Scope::EventsWrite)?;
    submitter.commit(caller.tenant(), events).await
}

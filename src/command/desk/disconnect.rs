//! Closes a desk's session.

use super::{Link, event};
use crate::auth::Caller;
use crate::clock::Clock;
use crate::domain::{EventBody, Fault, Scope, UserRef};
use crate::engine::Submitter;

/// Closes the session, unless another connection has opened it again since.
pub async fn disconnect(caller: &Caller, submitter: &Submitter, clock: &Clock, link: &Link) -> Result<(), Fault> {
    caller.require(Scope::EventsWrite)?;
    let (user, session) = (UserRef::id(link.user), link.session.clone());
    let body = EventBody::DeskDisconnected { user, session, opened: Some(link.opened) };
    submitter.commit(caller.tenant(), vec![event(clock, body)]).await?;
    Ok(())
}

//! Closes a desk's session.

use super::{Link, SOURCE};
use crate::auth::EventsWrite;
use crate::command::Context;
use crate::domain::{EventBody, Fault, UserRef};

/// Closes the session, unless another connection has opened it again since.
pub async fn disconnect(context: Context<'_, EventsWrite>, link: &Link) -> Result<(), Fault> {
    let (user, session) = (UserRef::id(link.user), link.session.clone());
    let body = EventBody::DeskDisconnected { user, session, opened: Some(link.opened) };
    context.commit(vec![context.event(SOURCE, body)]).await?;
    Ok(())
}

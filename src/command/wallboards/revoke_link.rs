//! Revokes a link to a wallboard.

use uuid::Uuid;

use crate::auth::{Authorized, Credentials, WallboardsWrite};
use crate::clock::Clock;
use crate::domain::Fault;
use crate::store::{LinkOf, Store, in_time};

/// A link of a board.
#[derive(Clone, Copy, Debug)]
pub struct LinkId<'a> {
    /// The board's name.
    pub board: &'a str,
    /// The link's id.
    pub id: Uuid,
}

/// Revokes a link of the caller's tenant. It is invalid here when this returns, and at other servers within a second.
/// Returns false if there is none, or it has expired.
pub async fn revoke_link(
    caller: &Authorized<WallboardsWrite>,
    store: &Store,
    credentials: &Credentials,
    clock: &Clock,
    link: LinkId<'_>,
) -> Result<bool, Fault> {
    let LinkId { board, id } = link;
    let link = LinkOf { tenant: caller.tenant(), board, id };
    let is_revoked = in_time(store.delete_link(link, clock.now())).await?;
    if is_revoked {
        in_time(credentials.refresh()).await?;
    }
    Ok(is_revoked)
}

//! The links of a wallboard.

use crate::auth::{Authorized, Credentials, WallboardsRead};
use crate::domain::{Fault, Time};
use crate::store::{LinkRecord, Store, in_time};

/// Returns the valid links of a board, the newest first. Those whose key was revoked are none.
pub async fn links(
    caller: &Authorized<WallboardsRead>,
    store: &Store,
    credentials: &Credentials,
    board: &str,
    now: Time,
) -> Result<Vec<LinkRecord>, Fault> {
    let mut links = in_time(store.links(caller.tenant(), board, now)).await?;
    links.retain(|link| link.key.is_none_or(|key| credentials.has_key(key)));
    Ok(links)
}

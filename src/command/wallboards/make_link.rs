//! Makes a link to a wallboard.

use crate::auth::secret::Secret;
use crate::auth::{Authorized, GraphqlRead};
use crate::clock::Clock;
use crate::domain::board::Names;
use crate::domain::{Fault, Scope};
use crate::engine::{Reader, Snapshot};
use crate::store::{LinkRecord, Store, in_time};

/// Most links of a tenant that have not expired.
const MAX_LINKS: u32 = 1_000;
/// Days after which a link expires.
pub const DAYS: std::ops::RangeInclusive<u32> = 1..=365;
/// Hours after which a link for one page expires.
pub const HOURS: std::ops::RangeInclusive<u32> = 1..=12;
/// Days after which a link expires if no term is given.
pub const USUAL_DAYS: u32 = 30;

/// The time for which a link is valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Term {
    /// For a screen: as many days. Making it needs [`Scope::WallboardsWrite`].
    Days(u32),
    /// In exchange for a key that was entered on the page itself: as many hours. It shows no more than the key could
    /// read.
    Hours(u32),
}

/// A link to be made.
#[derive(Clone, Copy, Debug)]
pub struct NewLink<'a> {
    /// The name of the board.
    pub board: &'a str,
    /// The time for which it is valid, within [`DAYS`] or [`HOURS`].
    pub term: Term,
    /// The form of people's names.
    pub names: Names,
    /// True if it outlives the key that makes it.
    pub keep: bool,
}

/// Makes a link, which is valid when this returns.
///
/// [`Fault::NotFound`] for an unknown board; [`Fault::Forbidden`] for a link of days if the caller may not make one, or may
/// not read what the board shows, and for a user's token; [`Fault::Conflict`] if there are too many links.
pub async fn make_link(
    caller: &Authorized<GraphqlRead>,
    store: &Store,
    reader: &Reader,
    clock: &Clock,
    wanted: NewLink<'_>,
) -> Result<(LinkRecord, Secret), Fault> {
    let NewLink { board, term, names, keep } = wanted;
    // A link ends with the key that made it, and a user's token ends sooner.
    let key = caller.key().ok_or(Fault::Forbidden)?;
    let find = |snapshot: &Snapshot| {
        let (shown, _) = snapshot.view.boards().get(board).ok_or(Fault::NotFound("wallboard"))?;
        Ok::<_, Fault>(shown.shows_people())
    };
    let shows_people = reader.decide(caller.tenant(), find).await?;
    let people = caller.may(Scope::UsersRead);
    let seconds = match term {
        Term::Days(days) => {
            if !caller.may(Scope::WallboardsWrite) || shows_people && !people {
                return Err(Fault::Forbidden);
            }
            24 * 60 * 60 * i64::from(days)
        }
        Term::Hours(hours) => 60 * 60 * i64::from(hours),
    };
    let (secret, created) = (Secret::generate("wl"), clock.now());
    let link = LinkRecord {
        hash: secret.hash(),
        tenant: caller.tenant(),
        board: board.into(),
        names,
        people,
        key: (!keep).then_some(key),
        created,
        expires: created.plus_seconds(seconds),
        seen: None,
    };
    if !in_time(store.create_link(&link, MAX_LINKS)).await? {
        return Err(Fault::Conflict("there are 1000 links already"));
    }
    Ok((link, secret))
}

//! Lists the users of a selection by dense index, for responses that list users rather than count them.

use crate::domain::{Channel, Filter};
use crate::live::View;
use crate::live::count::fold::Aggregate;
use crate::live::count::index::{Plane, Span};

/// The connection required of the users in a roster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connection {
    /// Connected or not: no restriction.
    Any,
    /// Users connected now.
    Online,
    /// Users connected now and available on the channel.
    OnlineFor(Channel),
    /// Users not connected now.
    Offline,
    /// Users not connected now, but connected at least once before.
    OfflineSeenBefore,
}

impl Connection {
    /// Iterates over the words of `mask`, reduced to the users with this connection.
    #[inline(always)]
    fn keep<'b>(self, span: Span<'b>, mask: &'b [u64]) -> impl Iterator<Item = u64> + use<'b> {
        // Available implies connected.
        let online = span.plane(match self {
            Connection::OnlineFor(channel) => Plane::Available(channel),
            Connection::Any | Connection::Online | Connection::Offline | Connection::OfflineSeenBefore => {
                Plane::Connected
            }
        });
        let seen = span.plane(Plane::EverLoggedIn);
        mask.iter().zip(online).zip(seen).map(move |((selected, online), seen)| {
            selected
                & match self {
                    Connection::Any => !0,
                    Connection::Online | Connection::OnlineFor(_) => *online,
                    Connection::Offline => !online,
                    Connection::OfflineSeenBefore => seen & !online,
                }
        })
    }
}

#[derive(Debug)]
struct Indexes {
    connection: Connection,
    found: Vec<u32>,
}

impl Aggregate for Indexes {
    #[inline(always)]
    fn add(&mut self, span: &Span<'_>, mask: &[u64]) {
        for (word, mut rest) in self.connection.keep(*span, mask).enumerate() {
            // Visits the set bits of the word, from the lowest.
            while rest != 0 {
                self.found.push(span.place().first_user() + word as u32 * 64 + rest.trailing_zeros());
                rest &= rest - 1;
            }
        }
    }
}

#[derive(Debug)]
struct Size {
    connection: Connection,
    users: usize,
}

impl Aggregate for Size {
    #[inline(always)]
    fn add(&mut self, span: &Span<'_>, mask: &[u64]) {
        self.users += self.connection.keep(*span, mask).map(|word| word.count_ones() as usize).sum::<usize>();
    }
}

/// Returns the dense indexes of the selected users, ascending.
pub fn roster(view: &View, filter: &Filter, connection: Connection) -> Vec<u32> {
    view.count(filter, Indexes { connection, found: Vec::new() }).found
}

/// Returns the dense indexes of the selected users, ascending by integer id.
pub fn roster_by_id(view: &View, filter: &Filter, connection: Connection) -> Vec<u32> {
    let found = roster(view, filter, connection).into_iter();
    // Looks up each id once instead of at every comparison of the sort.
    let mut users: Vec<(i64, u32)> = found.filter_map(|ix| Some((view.directory().profile(ix)?.id, ix))).collect();
    users.sort_unstable();
    users.into_iter().map(|(_, ix)| ix).collect()
}

/// Returns the number of users that [`roster`] would list.
pub fn roster_size(view: &View, filter: &Filter, connection: Connection) -> usize {
    view.count(filter, Size { connection, users: 0 }).users
}

//! Who is in a selection: their indexes, for questions that want people rather than numbers.

use crate::domain::{Channel, Filter};
use crate::live::View;
use crate::live::index::{BLOCK_USERS, Block, Plane};
use crate::live::kernel::Aggregate;

/// Which connection a roster asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connection {
    /// Connected or not.
    Any,
    /// Connected now.
    Online,
    /// Connected now, and available on the channel.
    OnlineFor(Channel),
    /// Not connected now.
    Offline,
    /// Not connected now, but at least once before.
    OfflineSeenBefore,
}

#[derive(Debug)]
struct Indexes {
    connection: Connection,
    found: Vec<u32>,
}

impl Aggregate for Indexes {
    #[inline(always)]
    fn add(&mut self, n: usize, block: &Block, mask: &[u64]) {
        // Available implies connected.
        let online = block.plane(match self.connection {
            Connection::OnlineFor(channel) => Plane::Available(channel),
            Connection::Any | Connection::Online | Connection::Offline | Connection::OfflineSeenBefore => {
                Plane::Connected
            }
        });
        let seen = block.plane(Plane::EverLoggedIn);
        for (word, selected) in mask.iter().enumerate() {
            let mut rest = selected
                & match self.connection {
                    Connection::Any => !0,
                    Connection::Online | Connection::OnlineFor(_) => online[word],
                    Connection::Offline => !online[word],
                    Connection::OfflineSeenBefore => seen[word] & !online[word],
                };
            while rest != 0 {
                self.found.push(n as u32 * BLOCK_USERS + word as u32 * 64 + rest.trailing_zeros());
                rest &= rest - 1;
            }
        }
    }
}

/// The users of the selection, by index.
pub fn roster(view: &View, filter: &Filter, connection: Connection) -> Vec<u32> {
    view.count(filter, Indexes { connection, found: Vec::new() }).found
}

//! The number of connected users, in all and by status on chat
//! (docs/reference/iadvize-graphql.md, "connectedUsersIndicator").

use crate::domain::Channel;
use crate::live::count::fold::{Aggregate, Sums};
use crate::live::count::index::{Plane, Span};

/// Counts the connected users of the selection, in all and by status on chat. Users with chat disabled have none of the
/// three statuses, so the sum of the three may be less than `connected`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Headcount {
    /// Connected users, with chat enabled or not.
    pub connected: u64,
    /// Users with status available on chat.
    pub available: u64,
    /// Users with status busy on chat.
    pub busy: u64,
    /// Users with status toggled off on chat.
    pub toggle_off: u64,
}

impl Sums for Headcount {
    fn sums(&mut self, each: impl FnMut(&mut u64)) {
        [&mut self.connected, &mut self.available, &mut self.busy, &mut self.toggle_off].into_iter().for_each(each);
    }
}

impl Aggregate for Headcount {
    #[inline(always)]
    fn add(&mut self, span: &Span<'_>, mask: &[u64]) {
        let chat = |plane: fn(Channel) -> Plane| span.plane(plane(Channel::Chat));
        let (connected, enabled) = (span.plane(Plane::Connected), chat(Plane::Enabled));
        let (available, busy) = (chat(Plane::Available), chat(Plane::Busy));
        let (mut here, mut here_for_chat, mut free, mut full) = (0, 0, 0, 0);
        // One pass over the words, so that each is loaded once for all four counts.
        for ((((m, c), e), a), b) in mask.iter().zip(connected).zip(enabled).zip(available).zip(busy) {
            let present = m & c;
            here += u64::from(present.count_ones());
            here_for_chat += u64::from((present & e).count_ones());
            free += u64::from((m & a).count_ones());
            full += u64::from((m & b).count_ones());
        }
        self.connected += here;
        self.available += free;
        self.busy += full;
        // Available and busy imply connected and enabled, so the rest of those is toggled off.
        self.toggle_off += here_for_chat - free - full;
    }
}

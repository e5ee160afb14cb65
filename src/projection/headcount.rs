//! How many people are connected, and how they stand on chat (CONTRACTS.md 2.6).

use crate::domain::Channel;
use crate::live::index::{Block, Plane};
use crate::live::kernel::Aggregate;

/// Connected users of the selection, all of them and by status on chat. A user whose chat is disabled is in none of
/// the three, so their sum may be less than `connected`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Headcount {
    /// Connected, whatever they may do.
    pub connected: u64,
    /// Can take a chat now.
    pub available: u64,
    /// No room for a chat.
    pub busy: u64,
    /// Unavailable for chat by choice.
    pub toggle_off: u64,
}

impl Aggregate for Headcount {
    #[inline(always)]
    fn add(&mut self, _n: usize, block: &Block, mask: &[u64]) {
        let chat = |plane: fn(Channel) -> Plane| block.plane(plane(Channel::Chat));
        let (connected, enabled) = (block.plane(Plane::Connected), chat(Plane::Enabled));
        let (available, busy) = (chat(Plane::Available), chat(Plane::Busy));
        let (mut here, mut here_for_chat, mut free, mut full) = (0, 0, 0, 0);
        // One pass: what is loaded once counts for all.
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
        // Available and busy imply connected and enabled.
        self.toggle_off += here_for_chat - free - full;
    }
}

//! How many people are connected, and how they stand on chat (CONTRACTS.md 2.6).

use crate::domain::Channel;
use crate::live::index::{BLOCK_WORDS, Block, Plane};
use crate::live::kernel::{Aggregate, count, count_both, keep};

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
        let mut buffer = [0; BLOCK_WORDS];
        let connected = &mut buffer[..mask.len()];
        connected.copy_from_slice(mask);
        keep(connected, block.plane(Plane::Connected));
        // Available and busy imply connected and enabled.
        let available = count_both(mask, block.plane(Plane::Available(Channel::Chat)));
        let busy = count_both(mask, block.plane(Plane::Busy(Channel::Chat)));
        self.connected += count(connected);
        self.available += available;
        self.busy += busy;
        self.toggle_off += count_both(connected, block.plane(Plane::Enabled(Channel::Chat))) - available - busy;
    }
}

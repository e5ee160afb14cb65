//! How many people can take work on one channel now.

use crate::domain::Channel;
use crate::live::index::{Block, Plane};
use crate::live::kernel::{Aggregate, count_both};

/// Users of the selection whose status on the channel is available, which implies connected and ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Available {
    channel: Channel,
    /// How many.
    pub people: u64,
}

impl Available {
    /// Nothing counted yet.
    pub const fn on(channel: Channel) -> Self {
        Available { channel, people: 0 }
    }
}

impl Aggregate for Available {
    #[inline(always)]
    fn add(&mut self, _n: usize, block: &Block, mask: &[u64]) {
        self.people += count_both(mask, block.plane(Plane::Available(self.channel)));
    }
}

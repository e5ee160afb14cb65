//! The number of users available on one channel.

use crate::domain::Channel;
use crate::live::count::fold::{Aggregate, Sums};
use crate::live::count::index::{Plane, Span};
use crate::live::count::words::count_both;

/// Counts the selected users with status available on the channel, which implies connected and ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Available {
    channel: Channel,
    /// Number of users.
    pub people: u64,
}

impl Available {
    /// An aggregate for `channel`, at zero.
    pub const fn on(channel: Channel) -> Self {
        Available { channel, people: 0 }
    }
}

impl Sums for Available {
    fn parameter(&self) -> u8 {
        self.channel as u8
    }

    fn sums(&mut self, mut each: impl FnMut(&mut u64)) {
        each(&mut self.people);
    }
}

impl Aggregate for Available {
    #[inline(always)]
    fn add(&mut self, span: &Span<'_>, mask: &[u64]) {
        self.people += count_both(mask, span.plane(Plane::Available(self.channel)));
    }
}

//! The occupancy of users in production (docs/reference/events.md, "Status").

use crate::domain::Channel;
use crate::live::count::fold::{Aggregate, Sums};
use crate::live::count::index::{BLOCK_WORDS, Plane, Span};
use crate::live::count::words::{count, sum};

/// Sums the slots of the users in production on one channel: connected, enabled, and accepting conversations or still
/// holding one. A user who became unavailable during a conversation is still in production.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Occupancy {
    channel: Channel,
    /// Number of users in production.
    pub people: u64,
    /// Sum of the conversations held.
    pub current: u64,
    /// Sum of the maximum numbers of conversations.
    pub max: u64,
}

impl Occupancy {
    /// An aggregate for `channel`, at zero.
    pub const fn on(channel: Channel) -> Self {
        Occupancy { channel, people: 0, current: 0, max: 0 }
    }

    /// The ratio of `current` to `max`. 1.0 is full; more is possible after a user's maximum was lowered; 0.0 if there
    /// are no slots.
    pub fn slot_occupancy_rate(&self) -> f64 {
        if self.max == 0 { 0.0 } else { self.current as f64 / self.max as f64 }
    }
}

impl Sums for Occupancy {
    fn parameter(&self) -> u8 {
        self.channel as u8
    }

    fn sums(&mut self, each: impl FnMut(&mut u64)) {
        [&mut self.people, &mut self.current, &mut self.max].into_iter().for_each(each);
    }
}

impl Aggregate for Occupancy {
    #[inline(always)]
    fn add(&mut self, span: &Span<'_>, mask: &[u64]) {
        let mut buffer = [0; BLOCK_WORDS];
        let producing = &mut buffer[..mask.len()];
        for ((p, m), plane) in producing.iter_mut().zip(mask).zip(span.plane(Plane::InProduction(self.channel))) {
            *p = m & plane;
        }
        self.people += count(producing);
        self.current += sum(producing, span.current(self.channel));
        self.max += sum(producing, span.max(self.channel));
    }
}

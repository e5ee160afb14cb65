//! The capacity of agents for one more interaction of a liveness (docs/reference/vonage.md, "Capacity").

use crate::domain::status::Liveness;
use crate::live::count::fold::{Aggregate, Sums};
use crate::live::count::index::{BLOCK_WORDS, Plane, Span};
use crate::live::count::words::{count, count_both, drop, join, keep};

/// Counts the agents of the selection, connected or not, each in exactly one of three members.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capacity {
    liveness: Liveness,
    /// Agents that are available on a channel of the liveness, and have budget for one more interaction.
    pub available: u64,
    /// Agents that are not connected, not ready or not routable, or have every enabled channel of the liveness switched
    /// off.
    pub incompatible_presence: u64,
    /// Agents that accept work but lack the capacity, or have no enabled channel of the liveness.
    pub insufficient_capacity: u64,
}

impl Capacity {
    /// An aggregate for `liveness`, at zero.
    pub const fn of(liveness: Liveness) -> Self {
        Capacity { liveness, available: 0, incompatible_presence: 0, insufficient_capacity: 0 }
    }
}

impl Sums for Capacity {
    fn parameter(&self) -> u8 {
        self.liveness as u8
    }

    fn sums(&mut self, each: impl FnMut(&mut u64)) {
        [&mut self.available, &mut self.incompatible_presence, &mut self.insufficient_capacity]
            .into_iter()
            .for_each(each);
    }
}

impl Aggregate for Capacity {
    #[inline(always)]
    fn add(&mut self, span: &Span<'_>, mask: &[u64]) {
        let (mut agents, mut switched_off) = ([0; BLOCK_WORDS], [0; BLOCK_WORDS]);
        let agents = &mut agents[..mask.len()];
        agents.copy_from_slice(mask);
        keep(agents, span.plane(Plane::Agent));
        let all = count(agents);
        keep(agents, span.plane(Plane::Connected));
        keep(agents, span.plane(Plane::AcceptsWork));
        let accepting = count(agents);

        // Enabled on some channel, and neither available nor busy on any: for these agents this means switched off.
        let switched_off = &mut switched_off[..mask.len()];
        for channel in self.liveness.channels() {
            join(switched_off, span.plane(Plane::Enabled(*channel)));
        }
        for channel in self.liveness.channels() {
            drop(switched_off, span.plane(Plane::Available(*channel)));
            drop(switched_off, span.plane(Plane::Busy(*channel)));
        }
        let off = count_both(agents, switched_off);
        let available = count_both(agents, span.plane(Plane::Room(self.liveness)));
        self.available += available;
        self.incompatible_presence += all - accepting + off;
        // Cannot underflow: room needs an available channel, so that no agent is in both.
        self.insufficient_capacity += accepting - off - available;
    }
}

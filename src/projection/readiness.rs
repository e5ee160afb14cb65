//! The number of agents logged in, and of those available on the reference channel
//! (docs/reference/convoso.md, "User activity").

use crate::domain::Channel;
use crate::domain::channel::ReferenceChannel;
use crate::live::count::fold::{Aggregate, Sums};
use crate::live::count::index::{BLOCK_WORDS, Plane, Span};
use crate::live::count::words::{count, count_both, join, keep};

/// Counts the agents of the selection. Agents are users with at least one enabled channel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Readiness {
    reference: ReferenceChannel,
    /// Agents with a desk connected.
    pub logged_in: u64,
    /// Agents with status available on the reference channel (so connected and ready), and assigned to a queue or a
    /// campaign.
    pub available: u64,
}

impl Readiness {
    /// An aggregate for a reference channel, at zero.
    pub const fn on(reference: ReferenceChannel) -> Self {
        Readiness { reference, logged_in: 0, available: 0 }
    }
}

impl Sums for Readiness {
    fn parameter(&self) -> u8 {
        self.reference as u8
    }

    fn sums(&mut self, each: impl FnMut(&mut u64)) {
        [&mut self.logged_in, &mut self.available].into_iter().for_each(each);
    }
}

impl Aggregate for Readiness {
    #[inline(always)]
    fn add(&mut self, span: &Span<'_>, mask: &[u64]) {
        let mut buffer = [0; BLOCK_WORDS];
        let agents = &mut buffer[..mask.len()];
        agents.copy_from_slice(mask);
        keep(agents, span.plane(Plane::Agent));
        keep(agents, span.plane(Plane::Connected));
        self.logged_in += count(agents);
        keep(agents, span.plane(Plane::Assigned));
        let available = |channel: &Channel| span.plane(Plane::Available(*channel));
        self.available += match self.reference.channels() {
            [channel] => count_both(agents, available(channel)),
            channels => {
                let mut buffer = [0; BLOCK_WORDS];
                let any = &mut buffer[..agents.len()];
                channels.iter().for_each(|channel| join(any, available(channel)));
                count_both(agents, any)
            }
        };
    }
}

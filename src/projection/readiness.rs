//! The number of agents logged in, and of those available for a call (CONTRACTS.md 4).

use crate::domain::Channel;
use crate::live::count::fold::Aggregate;
use crate::live::count::index::{BLOCK_WORDS, Block, Plane};
use crate::live::count::words::{count, count_both, keep};

/// Counts the agents of the selection. Agents are users with at least one enabled channel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Readiness {
    /// Agents with a desk connected.
    pub logged_in: u64,
    /// Agents with status available on calls (so connected and ready), and assigned to a queue or a campaign.
    pub available: u64,
}

impl Aggregate for Readiness {
    #[inline(always)]
    fn add(&mut self, _n: usize, block: &Block, mask: &[u64]) {
        let mut buffer = [0; BLOCK_WORDS];
        let agents = &mut buffer[..mask.len()];
        agents.copy_from_slice(mask);
        keep(agents, block.plane(Plane::Agent));
        keep(agents, block.plane(Plane::Connected));
        self.logged_in += count(agents);
        keep(agents, block.plane(Plane::Assigned));
        self.available += count_both(agents, block.plane(Plane::Available(Channel::Call)));
    }
}
